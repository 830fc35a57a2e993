"""A LangGraph agent doing one task with an MCP tool, run by test_frameworks.py in LangGraph's own environment."""

import asyncio
import json
import os

from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_openai import ChatOpenAI
from langgraph.prebuilt import create_react_agent


async def main():
    headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    client = MultiServerMCPClient({"office": {"transport": "streamable_http", "url": os.environ["MCP_URL"], "headers": headers}})
    tools = await client.get_tools()
    agent = create_react_agent(ChatOpenAI(model="obedient"), tools)

    def task(amount):
        return {"messages": [("user", f'Pay Ann.\nCALL pay {{"to":"Ann","amount":{amount}}}')]}

    unary = (await agent.ainvoke(task(8)))["messages"][-1].content
    streamed = ""
    async for piece, _ in agent.astream(task(9), stream_mode="messages"):
        streamed += str(piece.content)
    print(json.dumps({"unary": unary, "streamed": streamed}))


asyncio.run(main())
