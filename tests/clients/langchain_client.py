"""One tool of a LangChain agent, called until it answers. It has no dialogs: what it is told are words, for its model.

Prints {"told": words} for each refusal, then {"result": words}. A line on the input means: the model tries again.
"""

import asyncio
import json
import sys

from langchain_mcp_adapters.client import MultiServerMCPClient

URL, BEARER, TOOL, ARGUMENTS = sys.argv[1:]


def say(told: object) -> None:
    print(json.dumps(told), flush=True)  # noqa: T201 - how it answers


async def main() -> None:
    server = {"transport": "streamable_http", "url": URL, "headers": {"Authorization": f"Bearer {BEARER}"}}
    tools = {tool.name: tool for tool in await MultiServerMCPClient({"loaner": server}).get_tools()}
    while True:
        call = {"type": "tool_call", "id": "1", "name": TOOL, "args": json.loads(ARGUMENTS)}
        answer = await tools[TOOL].ainvoke(call)  # the message that its model reads
        if answer.status != "error":
            say({"result": answer.text})
            return
        say({"told": answer.text})
        if not await asyncio.to_thread(sys.stdin.readline):
            return


asyncio.run(main())
