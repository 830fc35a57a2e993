"""Agents that speak to agents: the official A2A SDKs as client and as peer, unchanged, with the gateway between them."""

import http.server
import json
import re
import subprocess
import sys
import threading

import httpx
import pytest
from peers import HERE, PERMIT_ALL, mcp_client, node, script, stdio_office

pytestmark = pytest.mark.anyio


@pytest.fixture
def billing(peers, tmp_path):
    calls = tmp_path / "calls.jsonl"
    started = peers.spawn([sys.executable, HERE / "billing_agent.py", calls], "billing")
    started["calls"] = calls
    yield started
    peers.end(started)


def peer(started, **more) -> dict:
    return {"name": "billing", "url": f"{started['url']}/rpc", "headers": {"authorization": "secret:billing"}, **more}


def behind(gateway, started, pack="balanced", **more):
    return gateway(policy=None, pack=pack, secrets={"billing": "Bearer peers-own-token"}, peer=[peer(started, **more)])


def address(through) -> str:
    host, port = through.address
    return f"http://{host}:{port}/a2a/billing"


async def client_of(through, http):
    from a2a.client import A2ACardResolver, ClientConfig, ClientFactory

    card = await A2ACardResolver(http, address(through)).get_agent_card()
    assert [interface.url for interface in card.supported_interfaces] == [address(through)]
    return ClientFactory(ClientConfig(httpx_client=http)).create(card)


def ask(text):
    from a2a.helpers.proto_helpers import new_text_message
    from a2a.types import Role, SendMessageRequest

    return SendMessageRequest(message=new_text_message(text, role=Role.ROLE_USER))


async def texts(client, text) -> str:
    return "\n".join([str(event) async for event in client.send_message(ask(text))])


def asked(started) -> list[dict]:
    return [json.loads(line) for line in started["calls"].read_text().splitlines()]


async def test_the_python_sdk_reaches_an_agent_on_the_python_sdk(gateway, billing):
    through = behind(gateway, billing)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {through.key}"}, timeout=30) as http:
        client = await client_of(through, http)
        said = await texts(client, "the invoices of March")
        for number in range(3):
            assert f"invoice {number}: the invoices of March" in said
        assert "TASK_STATE_COMPLETED" in said
        # A talk with one peer goes on unasked, though what it says is nobody's word.
        assert "one line" in await texts(client, "short, please")
    heard = asked(billing)
    assert [call["asked"] for call in heard] == ["the invoices of March", "short, please"]
    assert {call["authorization"] for call in heard} == {"Bearer peers-own-token"}
    found = through.json("audit", "search", "--limit", "50")
    text = json.dumps(found)
    assert "send_message" in text and "read_card" in text
    assert "peers-own-token" not in text and through.key not in text


async def test_the_javascript_sdk_reaches_it_too(gateway, billing):
    through = behind(gateway, billing)
    done = subprocess.run(
        [node(), script("a2a.mjs"), address(through) + "/", through.key], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert "invoice 2: the invoices of March" in seen["whole"]
    assert any("invoice 0: the invoices of April" in event for event in seen["streamed"])
    assert len(seen["streamed"]) > 2


async def test_both_sdks_reach_an_agent_on_the_javascript_sdk(gateway, peers, tmp_path):
    calls = tmp_path / "calls.jsonl"
    started = peers.spawn([node(), script("billing.mjs"), calls], "billing-js")
    started["calls"] = calls
    try:
        through = behind(gateway, started)
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {through.key}"}, timeout=30) as http:
            client = await client_of(through, http)
            said = await texts(client, "the invoices of March")
            for number in range(3):
                assert f"invoice {number}: the invoices of March" in said
            assert "TASK_STATE_COMPLETED" in said
            assert "one line" in await texts(client, "short, please")
        done = subprocess.run(
            [node(), script("a2a.mjs"), address(through) + "/", through.key], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr[-3000:]
        seen = json.loads(done.stdout)
        assert "invoice 2: the invoices of March" in seen["whole"]
        assert any("invoice 0: the invoices of April" in event for event in seen["streamed"])
    finally:
        peers.end(started)
    heard = asked(started)
    assert [call["asked"] for call in heard] == [
        "the invoices of March", "short, please", "the invoices of March", "the invoices of April"
    ]
    assert {call["authorization"] for call in heard} == {"Bearer peers-own-token"}


async def test_a_refusal_is_told_in_the_sdks_own_errors(gateway, billing):
    through = behind(gateway, billing, pack="strict")
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {through.key}"}, timeout=30) as http:
        client = await client_of(through, http)
        with pytest.raises(Exception) as refused:
            await texts(client, "short, please")
    assert "policy." in str(refused.value)
    assert not billing["calls"].exists()


async def test_a_token_stays_one_on_its_way_to_a_peer_and_the_record_says_so(gateway, billing):
    through = gateway(
        policy=None, pack="balanced", secrets={"billing": "Bearer peers-own-token"}, peer=[peer(billing)],
        **{"privacy.rule": [{"kinds": ["email"], "models": ["*"], "results": True}]},
    )
    token = "bz-email-" + "b" * 20
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {through.key}"}, timeout=30) as http:
        await texts(await client_of(through, http), f"short, please: {token}")
    assert [call["asked"] for call in asked(billing)] == [f"short, please: {token}"]
    found = through.cli("audit", "search", "--limit", "50", "--json").stdout
    assert '"unrestored"' in found and '"peer"' in found


async def test_a_signed_card_is_verified_and_another_ones_is_not(gateway, peers, tmp_path):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from jwt.algorithms import ECAlgorithm

    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("own", "other")}
    pem = tmp_path / "key.pem"
    pem.write_bytes(keys["own"].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))
    calls = tmp_path / "calls.jsonl"
    started = peers.spawn([sys.executable, HERE / "billing_agent.py", calls, pem], "billing-signed")
    started["calls"] = calls
    try:
        for name, key in keys.items():
            public = json.loads(ECAlgorithm.to_jwk(key.public_key()))
            held = tmp_path / f"{name}.json"
            held.write_text(json.dumps({"keys": [{**public, "kid": "billing", "alg": "ES256", "use": "sig"}]}))
            through = behind(gateway, started, card_keys=str(held))
            headers = {"Authorization": f"Bearer {through.key}"}
            async with httpx.AsyncClient(headers=headers, timeout=30) as http:
                if name == "own":
                    assert "one line" in await texts(await client_of(through, http), "short, please")
                else:
                    answer = await http.get(address(through) + "/.well-known/agent-card.json")
                    assert answer.status_code == 502 and "a2a.card" in answer.text
    finally:
        peers.end(started)
    assert len(asked(started)) == 1


PASSWORD = "the password is hunter2-XYZ"
HOOK = "https://hooks.example.com/"
# Its newest mail is a secret.
MAIL = {"read_mail": {"effect": "read", "results": {"**": "secret"}, "reviewed": True}}


class Listener(http.server.BaseHTTPRequestHandler):
    """A peer that takes what it is told, and keeps it."""

    protocol_version = "HTTP/1.1"

    def reply(self, said):
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = f"http://127.0.0.1:{self.server.server_address[1]}/rpc"
        self.reply({
            "name": "Billing", "description": "Knows the invoices.", "version": "1",
            "supportedInterfaces": [{"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
            "capabilities": {"streaming": True, "pushNotifications": True}, "defaultInputModes": ["text/plain"],
            "defaultOutputModes": ["text/plain"],
            "skills": [{"id": "i", "name": "Invoices", "description": "Finds them.", "tags": ["money"]}],
        })

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.heard.append((body, dict(self.headers)))
        asked = json.loads(body)
        task = {"id": "task-1", "contextId": "ctx-1", "status": {"state": "TASK_STATE_WORKING"}}
        result = {"task": task} if asked["method"] == "SendMessage" else task
        self.reply({"jsonrpc": "2.0", "id": asked["id"], "result": result})

    def log_message(self, *_):
        pass


@pytest.fixture
def listener():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    server.heard = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


class Hijacked:
    """An agent that says whatever it likes, byte by byte."""

    def __init__(self, through, listener):
        self.through, self.listener = through, listener

    def post(self, body, **headers) -> tuple[dict, bool]:
        """The answer, and whether anything reached the peer."""
        before = len(self.listener.heard)
        headers = {"authorization": f"Bearer {self.through.key}", "a2a-version": "1.0", "content-type": "application/json", **headers}
        answer = httpx.post(address(self.through), content=body, headers=headers, timeout=30)
        return answer.json(), len(self.listener.heard) > before

    def ask(self, method, params, id=1, beside=None, **headers):
        return self.post(json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params, **(beside or {})}), **headers)

    def refused(self, *asked, **more) -> str:
        answer, crossed = self.ask(*asked, **more)
        assert not crossed, asked
        return answer["error"]["data"][0]["metadata"]["code"]


def saying(text, **more):
    return {"message": {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": text}], **more}}


async def knows_a_secret(gateway, listener, pack) -> Hijacked:
    """An agent that has a task at the peer, and has read a secret since."""
    through = gateway(
        policy=PERMIT_ALL if pack == "strict" else None, pack=pack,
        servers=[{**stdio_office(inbox=f"From: Ann\n\n{PASSWORD}"), "tools": MAIL}],
        peer=[{"name": "billing", "url": f"http://127.0.0.1:{listener.server_address[1]}/rpc", "push_hosts": ["hooks.example.com"]}],
    )
    agent = Hijacked(through, listener)
    agent.ask("GetTask", {"id": "task-1"})
    async with mcp_client(through.mcp(), through.key) as client:
        await client.list_tools()
        if pack == "strict":
            through.cli("tools", "approve", "peer/billing", "card")
            through.cli("tools", "approve", "office", "read_mail")
        agent.ask("SendMessage", saying("the invoices of March"))
        assert "hunter2" in str(await client.call_tool("read_mail", {}))
    listener.heard.clear()
    return agent


@pytest.mark.seconds(180)
@pytest.mark.parametrize("pack", ["balanced", "strict"])
async def test_who_has_read_a_secret_tells_a_peer_nothing_unasked(gateway, listener, pack):
    agent = await knows_a_secret(gateway, listener, pack)
    words = PASSWORD.replace(" ", "_")
    # What no version of the protocol has there, in whatever part of the request it stands.
    for method, params in [
        ("GetTask", {"id": "task-1", PASSWORD: True}),
        ("GetTask", {"id": "task-1", "metadata": {"x": PASSWORD}}),
        ("GetTask", {"id": "task-1", "historyLength": 411111111111111}),
        ("CancelTask", {"id": "task-1", PASSWORD: 1}),
        ("ListTasks", {"status": PASSWORD}),
        ("ListTasks", {"pageSize": 411}),
        ("ListTasks", {"statusTimestampAfter": PASSWORD}),
        ("GetExtendedAgentCard", {"x": PASSWORD}),
        ("GetExtendedAgentCard", {"tenant": PASSWORD}),
        ("CreateTaskPushNotificationConfig", {"taskId": "task-1", "Url": "https://169.254.169.254/"}),
        ("CreateTaskPushNotificationConfig", {"taskId": "task-1", "URL": "https://127.0.0.1/"}),
        ("SendMessage", {**saying("hi"), "configuration": {"taskPushNotificationConfig": {"Url": "https://127.0.0.1/"}}}),
        ("SendMessage", {**saying("hi"), "configuration": {"TaskPushNotificationConfig": {"url": "https://127.0.0.1/"}}}),
        ("SendMessage", saying("hi", Parts=[{"text": PASSWORD}])),
    ]:
        assert agent.refused(method, params) == "wire.request_shape", params
    assert agent.refused("GetTask", {"id": "task-1"}, beside={"extra": PASSWORD * 100}) == "wire.request_shape"
    assert agent.refused("GetTask", {"id": "task-1"}, beside={"Method": "SendMessage"}) == "mcp.message"
    # What it has there, and could say anything.
    for method, params in [
        ("SendMessage", saying(PASSWORD)),
        ("SendMessage", {**saying("hi"), "metadata": {PASSWORD: True}}),
        ("GetTask", {"id": words}),
        ("GetTask", {"id": "task-1", "historyLength": 411111111}),
        ("ListTasks", {"pageToken": words}),
        ("ListTasks", {"statusTimestampAfter": "2026-12-01T04:11:11.111111111Z"}),
        ("CancelTask", {"id": "task-1", "metadata": {"x": PASSWORD}}),
        ("CancelTask", {"id": "task-1", "metadata": {PASSWORD: True}}),
        ("CancelTask", {"id": "task-1", "metadata": {"x": [True, False, None, True]}}),
        ("CreateTaskPushNotificationConfig", {"taskId": "task-1", "url": HOOK + words}),
        ("CreateTaskPushNotificationConfig", {"taskId": "task-1", "token": PASSWORD}),
        ("CreateTaskPushNotificationConfig", {"taskId": "task-1", "authentication": {"scheme": PASSWORD}}),
        ("CreateTaskPushNotificationConfig", {"taskId": words}),
        ("DeleteTaskPushNotificationConfig", {"taskId": "task-1", "id": words}),
        ("GetTaskPushNotificationConfig", {"taskId": "task-1", "id": words}),
    ]:
        assert agent.refused(method, params) in ("policy.ask", "policy.denied"), params
    assert listener.heard == []


@pytest.mark.seconds(180)
@pytest.mark.parametrize("pack", ["balanced", "strict"])
async def test_a_task_is_followed_under_our_id_and_our_trace(gateway, listener, pack):
    agent = await knows_a_secret(gateway, listener, pack)
    secret_id = PASSWORD * 30
    trace = {"traceparent": "00-hunter2-evil", "tracestate": "a=hunter2", "a2a-extensions": "https://hunter2.example"}
    answer, crossed = agent.ask("GetTask", {"id": "task-1", "historyLength": 5}, id=secret_id, **trace)
    assert crossed and answer["id"] == secret_id and answer["result"]["id"] == "task-1"
    body, headers = listener.heard[-1]
    assert json.loads(body) == {
        "jsonrpc": "2.0", "id": "1", "method": "GetTask", "params": {"id": "task-1", "historyLength": 5}
    }
    assert "hunter2" not in json.dumps(headers)
    headers = {key.lower(): value for key, value in headers.items()}
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", headers["traceparent"]) and "tracestate" not in headers
    for method, params in [("ListTasks", {"status": "TASK_STATE_WORKING", "contextId": "ctx-1"}), ("CancelTask", {"id": "task-1"})]:
        assert agent.ask(method, params)[1], method
