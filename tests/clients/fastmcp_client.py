"""One tool call by FastMCP's client. Prints {"ask": address} when its user is asked to open one, then {"result": …}.

Run by an interpreter that has FastMCP; a line on the input means that the user is done with the page.
"""

import asyncio
import json
import sys

from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StreamableHttpTransport
from mcp import MCPError

URL, BEARER, ERA, ANSWER, TOOL, ARGUMENTS = sys.argv[1:]


def say(told: object) -> None:
    print(json.dumps(told), flush=True)  # noqa: T201 - how it answers


async def asked(_message: str, _type: object, params: object, _context: object) -> ElicitResult:
    say({"ask": params.url})
    return ElicitResult(action=ANSWER)


async def main() -> None:
    transport = StreamableHttpTransport(URL, headers={"Authorization": f"Bearer {BEARER}"})
    handler = None if ANSWER == "words" else asked
    async with Client(transport, mode=ERA, elicitation_handler=handler) as client:

        async def call() -> object:
            return await client.call_tool_mcp(TOOL, json.loads(ARGUMENTS))

        try:
            result = await call()
        except MCPError as error:
            if error.code != -32042:
                raise
            say({"ask": error.data["elicitations"][0]["url"]})
            await asyncio.to_thread(sys.stdin.readline)
            result = await call()
        say({"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)})


asyncio.run(main())
