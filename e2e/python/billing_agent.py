"""An agent on the official A2A SDK: `billing_agent.py CALLS [KEY]` answers what it is asked, in pieces where it may, and
signs its card with the EC key in the file KEY. Prints its address as JSON."""

import json
import socket
import sys
from pathlib import Path

import uvicorn
from a2a.helpers.proto_helpers import get_message_text, new_task_from_user_message, new_text_message
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, Part
from starlette.applications import Starlette

calls = Path(sys.argv[1])


class Billing(AgentExecutor):
    async def execute(self, context, event_queue):
        asked = get_message_text(context.message)
        headers = dict(context.call_context.state.get("headers", {})) if context.call_context else {}
        with calls.open("a") as log:
            log.write(json.dumps({"asked": asked, "authorization": headers.get("authorization")}) + "\n")
        if asked.startswith("short"):
            await event_queue.enqueue_event(new_text_message("one line"))
            return
        task = context.current_task or new_task_from_user_message(context.message)
        await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.start_work()
        for number in range(3):
            await updater.add_artifact([Part(text=f"invoice {number}: {asked}")], name="invoices")
        await updater.complete()

    async def cancel(self, context, event_queue):
        raise NotImplementedError


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    card = AgentCard(
        name="Billing", description="Knows the invoices.", version="1",
        supported_interfaces=[
            AgentInterface(url=f"http://127.0.0.1:{port}/rpc", protocol_binding="JSONRPC", protocol_version="1.0")
        ],
        capabilities=AgentCapabilities(streaming=True, push_notifications=False),
        default_input_modes=["text/plain"], default_output_modes=["text/plain"],
        skills=[AgentSkill(id="invoices", name="Invoices", description="Finds invoices.", tags=["money"])],
    )
    if len(sys.argv) > 2:
        from a2a.utils.signing import create_agent_card_signer

        sign = create_agent_card_signer(Path(sys.argv[2]).read_text(), {"kid": "billing", "alg": "ES256", "jku": None, "typ": "JOSE"})
        card = sign(card)
    handler = DefaultRequestHandler(agent_executor=Billing(), task_store=InMemoryTaskStore(), agent_card=card)
    app = Starlette(routes=[*create_agent_card_routes(card), *create_jsonrpc_routes(handler, "/rpc")])
    print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


main()
