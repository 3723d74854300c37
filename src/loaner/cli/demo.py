"""``loaner demo``: one minute, no accounts, no network. An agent asks, a person consents, the keys die."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import webbrowser
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from loaner.errors import Exit, LoanerError, UsageError

if TYPE_CHECKING:
    from mcp import Client

    from loaner.audit import Record

AGENT = "demo-agent"
_POLL_EVERY = 1.0
"""Seconds between two looks whether the person has answered."""
_REMIND_AFTER = 20
"""Looks after which it is said again what is waited for."""


@dataclass(frozen=True)
class Act:
    """One call that the demo's agent makes."""

    tool: str
    arguments: dict[str, str | int]
    says: str


ACTS = (
    Act("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1}, "reads issue 1 of acme/web"),
    Act("slack_send_message", {"channel": "#releases", "text": "v1.4.0 is out 🎉"}, "posts a message in #releases"),
    Act("linear_get_issue", {"id": "ENG-1"}, "reads ENG-1"),
)


class DemoFailed(LoanerError):
    """Something did not go as it must."""

    code = "demo_failed"


def demo(
    auto: Annotated[bool, typer.Option("--auto", help="The sandbox's person consents; nobody has to be here.")] = False,
    person: Annotated[str, typer.Option("--as", help="Who the sandbox's person is: alice or bob.")] = "alice",
) -> None:
    """Watch one call from question to record.

    An agent asks, a person consents, the call happens, the credential dies, and the record verifies.

    \b
    Examples:
      loaner demo
      loaner demo --auto
    """
    import anyio

    if not auto and not sys.stdin.isatty():
        raise UsageError("nobody is here to consent.", do="Run it on a terminal, or with: loaner demo --auto")
    anyio.run(_Demo(auto=auto, person=person).run)


class _Demo:
    def __init__(self, *, auto: bool, person: str) -> None:
        from loaner import settings
        from loaner.settings.home import made

        self.auto = auto
        self.person = person
        self.home = made(settings.load().home) / "demo"
        self.sandbox = ""

    async def run(self) -> None:
        from loaner.sandbox.run import serving

        shutil.rmtree(self.home, ignore_errors=True)  # the demo's own folder: every demo begins anew
        self.home.mkdir(parents=True, mode=0o700)
        async with serving(home=self.home) as running:
            self.sandbox = running.base_url
            self._say("✓", "sandbox", f"GitHub, Slack and Linear emulated at {self.sandbox} (no accounts, no network)")
            async with self._agent() as agent:
                for act in ACTS:
                    await self._play(agent, act)
            await self._take_back()
            await self._verify()
        self._say_what_next()

    @contextlib.asynccontextmanager
    async def _agent(self) -> AsyncIterator[Client]:
        """A real MCP client, talking over stdio to a real ``loaner serve``."""
        from mcp import Client, StdioServerParameters
        from mcp_types import Implementation

        server = StdioServerParameters(
            command=sys.executable,
            args=["-P", "-m", "loaner", "serve", f"--sandbox={self.sandbox}"],
            env={**os.environ, "LOANER_HOME": str(self.home)},
        )
        async with Client(server, client_info=Implementation(name=AGENT, version="1.0")) as client:
            shown = await client.list_tools()
            self._say("✓", "agent", f"connected over stdio; sees {len(shown.tools)} tools and not one secret")
            yield client

    async def _play(self, agent: Client, act: Act) -> None:
        import anyio

        self._say("·", "agent", f"{act.says}: {act.tool}")
        answer, asked_again = await agent.call_tool(act.tool, act.arguments), 0
        while answer.is_error:
            asked = (answer.meta or {}).get("dev.loaner/error", {})
            match asked.get("code"):
                case "consent_required":
                    self._say("!", "consent", f"code {asked['user_code']}  compare at {asked['url']}")
                    await self._consent(asked["url"], asked["user_code"])
                case "consent_pending":
                    asked_again += 1
                    if asked_again % _REMIND_AFTER == 0:
                        self._say("·", "waiting", f"still, for your answer at {asked['url']}")
                    await anyio.sleep(_POLL_EVERY)
                case "consent_expired":
                    self._say("!", "waiting", "nobody answered in time; here is a new link")
                case "consent_denied":
                    raise DemoFailed("you said no on the page, so nothing was sent.", do="Start again: loaner demo")
                case _:
                    raise DemoFailed(f"{act.tool}: {_text(answer)}")
            answer = await agent.call_tool(act.tool, act.arguments)
        self._say("✓", "called", json.dumps(answer.structured_content, ensure_ascii=False)[:88] + " …")
        await self._show_credential(act)

    async def _consent(self, url: str, code: str) -> None:
        """The person decides: in a browser, or as the sandbox's person."""
        import anyio.to_thread

        from loaner.cli import _forwarding

        if not self.auto:
            self._say("?", "you", "press Enter to open the page, or y to let the sandbox's person approve")
            if await anyio.to_thread.run_sync(_typed) != "y":
                if not await anyio.to_thread.run_sync(webbrowser.open, url):
                    self._say(
                        "!", "browser", f"none could be opened here: open {url} yourself. {_forwarding.told(url)}"
                    )
                self._say(
                    "·", "waiting", "for your answer there, as alice or bob (no password); this goes on automatically"
                )
                return
        state = await anyio.to_thread.run_sync(self._walk, url)
        if state != "approved":
            raise DemoFailed(f"the consent page ended as {state!r}")
        self._say("✓", "approved", f"by {self.person}, on the page that showed {code}")

    def _walk(self, url: str) -> str:
        from loaner.sandbox.person import Person

        page = urlsplit(url)
        person = Person(self.person, self.sandbox)
        return person.visit(url, loaner_url=f"{page.scheme}://{page.netloc}").state

    async def _show_credential(self, act: Act) -> None:
        """What the record says of the credential, and what the provider says to someone who copied it."""
        record = await self._record_of(act.tool)
        body = record.body
        scope = f"{', '.join(body['granted_permissions'])} on {body['resource'].partition(':')[2]}"
        if body["loan_style"] == "pass_through":
            self._say("✓", "key", f"{scope}: held by loaner for this call and dropped; the agent never saw it")
        else:
            self._say("✓", "key", f"{scope}: lived {body['lived_ms']} ms, {body['returned_how']}")
            await self._replay(body["fingerprint"])
        who = "; ".join(f"{limit['what']} by {limit['enforced_by']}" for limit in body["limits"])
        self._say("✓", "record", f"#{record.seq}  enforced: {who}  prev {record.prev_hash[:8]}")

    async def _record_of(self, tool: str) -> Record:
        """The record of the call just made; it is closed beside the answer, so a moment may pass."""
        import anyio

        with anyio.move_on_after(10):
            while True:
                for record in reversed(await self._records()):
                    if record.body.get("tool") == tool and record.body.get("outcome") == "ok":
                        return record
                await anyio.sleep(0.02)
        raise DemoFailed(f"no record of {tool}")

    async def _records(self) -> list[Record]:
        from loaner import settings
        from loaner.audit.read import tail
        from loaner.cli._open import opened_store

        with opened_store(settings.load(home=self.home)) as store:
            return await store.read(lambda c: tail(c, 200))

    async def _replay(self, fingerprint: str) -> None:
        """A thief who copied the credential tries it at the provider."""
        import httpx2

        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{self.sandbox}/sandbox/replay", json={"fingerprint": fingerprint})
        told = answer.json()
        if not told.get("refused"):
            raise DemoFailed("the provider still accepts a credential that was given back")
        self._say("✓", "replay", f"{told['request']} with the same credential: {told['status']} {told['answer']}")

    async def _take_back(self) -> None:
        """The person takes the grants back: revoked at the provider, and known to be dead."""
        import anyio

        self._say("·", self.person, "takes every grant back: loaner revoke --my-tokens --yes")
        done = await anyio.run_process(
            [sys.executable, "-P", "-m", "loaner", "revoke", "--my-tokens", "--yes", "--json"],
            env={**os.environ, "LOANER_HOME": str(self.home), "LOANER_SANDBOX": self.sandbox},
            check=False,
        )
        if done.returncode not in {int(Exit.OK), int(Exit.PROVIDER)}:  # not every provider ends a refresh token
            raise DemoFailed(f"revoking: {done.stderr.decode()}")
        for line in done.stdout.decode().splitlines():
            told = json.loads(line)
            if told["what"] == "grant":
                self._say("✓" if told["confirmed"] else "!", "revoked", f"{told['provider']}: {told['how']}")
        for act in ACTS:
            record = await self._record_of(act.tool)
            if record.body["loan_style"] == "pass_through":
                await self._replay(record.body["fingerprint"])

    async def _verify(self) -> None:
        from loaner.audit.verify import verify

        records = sorted(await self._records(), key=lambda record: record.seq)
        verdict = verify(records)
        if not verdict.ok:
            raise DemoFailed("the records do not verify")
        self._say("✓", "verified", f"{verdict.count} records, chain intact, head {verdict.head[:8]}")

    def _say_what_next(self) -> None:
        loaner = "loaner" if shutil.which("loaner") else str(Path(sys.executable).with_name("loaner"))
        print()
        print("Next, with what you just made:")
        print(f"  LOANER_HOME={self.home} {loaner} audit tail")
        print(f"  {loaner} explain github_issue_create owner=acme repo=web title=Hello")
        print("Then with your agent:")
        print(f"  claude mcp add loaner -- {loaner} serve --sandbox")

    def _say(self, mark: str, what: str, told: str) -> None:
        print(f"{mark} {what:9} {told}", flush=True)


def _typed() -> str:
    """A line that the person typed; empty where their terminal is gone."""
    return sys.stdin.readline().strip()


def _text(answer: Any) -> str:
    return " ".join(getattr(part, "text", "") for part in answer.content)
