"""The smallest MCP server that does the same upstream call: one static token, no consent, no record.

What loaner is measured against: everything it adds is in the difference. Takes UPSTREAM and TOKEN from the environment.
With CLIENT_ID and CLIENT_SECRET too, it does by hand what the providers see of a loan: narrow the token, call, revoke.
The difference that is left then is loaner's own work, and not the providers'.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
from mcp import types
from mcp.server import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

SCHEMA = {
    "type": "object",
    "properties": {"owner": {"type": "string"}, "repo": {"type": "string"}},
    "required": ["owner", "repo"],
    "additionalProperties": False,
}
TOOL = types.Tool(name="github_get_repository", description="Describe one repository.", input_schema=SCHEMA)
KEPT = ("full_name", "description", "private", "archived", "default_branch", "open_issues_count", "html_url")


@asynccontextmanager
async def pooled(_: Server[httpx2.AsyncClient]) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"Accept": "application/vnd.github+json"}
    async with httpx2.AsyncClient(base_url=os.environ["UPSTREAM"], headers=headers, trust_env=False) as client:
        yield client


async def list_tools(_: ServerRequestContext[httpx2.AsyncClient], __: object) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[TOOL])


async def call_tool(
    context: ServerRequestContext[httpx2.AsyncClient], asked: types.CallToolRequestParams
) -> types.CallToolResult:
    client = context.lifespan_context
    arguments = asked.arguments or {}
    path = f"/repos/{arguments['owner']}/{arguments['repo']}"
    if "CLIENT_ID" in os.environ:
        answer = await with_own_token(client, path, arguments["owner"], arguments["repo"])
    else:
        answer = await client.get(path, headers={"Authorization": f"Bearer {os.environ['TOKEN']}"})
    answer.raise_for_status()
    described = answer.json()
    kept = {name: described[name] for name in KEPT}
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=json.dumps(kept))], structured_content=kept
    )


async def with_own_token(client: httpx2.AsyncClient, path: str, owner: str, repo: str) -> httpx2.Response:
    """Narrow the token to the repository, call with that, revoke it."""
    application = f"/applications/{os.environ['CLIENT_ID']}/token"
    basic = httpx2.BasicAuth(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])
    wanted = {"target": owner, "repositories": [repo], "permissions": {"metadata": "read"}}
    body = {"access_token": os.environ["TOKEN"], **wanted}
    minted = await client.post(f"{application}/scoped", json=body, auth=basic)
    token = minted.raise_for_status().json()["token"]
    try:
        return await client.get(path, headers={"Authorization": f"Bearer {token}"})
    finally:
        revoked = await client.request("DELETE", application, json={"access_token": token}, auth=basic)
        revoked.raise_for_status()


async def main() -> None:
    server = Server(
        "bare",
        version="1",
        lifespan=pooled,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=lambda name: SCHEMA if name == TOOL.name else None,
    )
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(main)
