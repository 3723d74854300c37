"""Every operation through the front door: one credential for the call, as narrow as it can be, and dead afterwards.

The look at what a name means, before a person is asked about a change, has a credential and a record of its own, and
is held to the same.

The sandbox's rules come from the providers' documents and never from the connectors. So an operation that asks for
too little fails here, and so does one that asks for more than the provider insists on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio.to_thread
import pytest
from mcp import Client
from mcp_types import CallToolResult

from catalog.examples import EXAMPLES, arguments
from emulated import Emulated
from journeys.town import EVERYTHING, Town, error_of, text_of, town
from loaner import catalog
from loaner.catalog import BoundCall
from loaner.errors import LoanerError, NotFound, ProviderForbidden, ScopeNotGrantable
from loaner.provider_call import Answer, Terms, send
from loaner.sandbox.person import Person
from loaner.secret import Secret

SEARCHES = {
    "github_search_code": {"contents:read": "items"},
    "github_search_issues": {"issues:read": "items", "pull_requests:read": "items"},
    "github_mine": {"issues:read": "assigned", "pull_requests:read": "reviews"},
}
"""GitHub never refuses these: what the key does not open is simply not found. Which list each permission opens."""
GITHUB_LEVELS = ("read", "write", "admin")
LINEAR_PARTS = {"write": frozenset({"read", "issues:create", "comments:create", "timeSchedule:write"})}
"""What is left of a Linear scope one step down."""


class Inside(Emulated):
    """The providers of a running town, from within: their worlds, and tokens of any width."""

    def __init__(self, built: Town) -> None:
        self.sandbox = built.running.sandbox
        inside = self.sandbox.inside
        states = {"slack": {"workspace": inside["slack"]}, "linear": {"desk": inside["linear"]}}
        self.apps = {
            name: SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(**state))) for name, state in states.items()
        }
        self.catalog = built.loaner.catalog
        self.transport = built.loaner.transport

    def narrowed(self, provider: str, permissions: frozenset[str], repositories: list[str]) -> Secret:
        """A GitHub token may lack even ``metadata: read`` here, which the real one always has."""
        credential = self.credential(provider, permissions, repositories=repositories)
        entry = self.sandbox.ledger.find(credential.reveal())
        assert entry
        if provider == "github":
            entry.permissions = dict(permission.rsplit(":", 1) for permission in permissions)
        return credential


class Neighbourhood:
    """A town for the whole module, one agent in it, and alice with her browser open."""

    def __init__(self, built: Town, agent: Client) -> None:
        self.town = built
        self.agent = agent
        self.inside = Inside(built)
        self._alice = Person("alice", built.sandbox_url)

    async def carried(self, tool: str, given: dict[str, Any]) -> CallToolResult:
        """Call it, and again after each yes."""
        answer = await self.agent.call_tool(tool, given)
        while answer.is_error and error_of(answer)["code"] == "consent_required":
            url = error_of(answer)["url"]
            outcome = await anyio.to_thread.run_sync(
                lambda url=url: self._alice.visit(url, loaner_url=self.town.loaner.base_url, choose=EVERYTHING)
            )
            assert outcome.state == "approved", (tool, outcome)
            answer = await self.agent.call_tool(tool, given)
        return answer


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Neighbourhood]:
    home: Path = tmp_path_factory.mktemp("minimality")
    async with town(home, tools={"toolsets": ("all",)}) as built:
        built.running.sandbox.switches.update({"slack_tier_multiplier": 0})
        async with built.agent() as agent:
            yield Neighbourhood(built, agent)


def smaller(provider: str, permissions: frozenset[str]) -> Iterator[frozenset[str]]:
    """Every set that is one step less: without one permission, or with it one level lower."""
    for permission in sorted(permissions):
        rest = permissions - {permission}
        if provider == "linear":
            rest |= LINEAR_PARTS.get(permission, frozenset({"read"} - {permission}))
        yield rest
        name, _, level = permission.rpartition(":")
        if provider == "github" and level in GITHUB_LEVELS[1:]:
            yield rest | {f"{name}:{GITHUB_LEVELS[GITHUB_LEVELS.index(level) - 1]}"}


def test_no_operation_is_left_out() -> None:
    assert {tool for tool, _ in EXAMPLES} == {operation.tool for operation in catalog.load().operations}


@pytest.mark.parametrize(("tool", "example"), EXAMPLES, ids=[f"{i}-{tool}" for i, (tool, _) in enumerate(EXAMPLES)])
async def test_a_call_runs_on_the_least_that_will_do_and_on_nothing_less(
    tool: str, example: Any, acme: Neighbourhood
) -> None:
    given = arguments(example, acme.inside)
    bound = acme.inside.catalog[tool].bind(given)
    needed, provider = bound.scope.permissions, bound.operation.provider.name
    for less in smaller(provider, needed):
        await is_refused(acme.inside, bound, less)
    before = {entry["fingerprint"]: len(entry["uses"]) for entry in acme.town.ledger()}
    looked_before = len(await acme.town.records(kind="look_up"))

    answer = await acme.carried(tool, given)

    assert not answer.is_error, text_of(answer)
    await acme.town.settled()
    [record] = (await acme.town.records(tool=tool, outcome="ok"))[-1:]
    [loan] = acme.town.ledger(fingerprint=record["fingerprint"])
    used = [
        entry
        for entry in acme.town.ledger(provider=provider)
        if len(entry["uses"]) > before.get(entry["fingerprint"], 0) and entry["kind"] != "refresh"
    ]
    assert loan in used
    assert loan["subject"] == "alice"
    assert record["needed_permissions"] == sorted(needed)
    if provider == "github":
        is_cut_to_size(loan, bound, needed)
        looks = (await acme.town.records(kind="look_up"))[looked_before:]
        assert len(looks) <= (bound.operation.effect != "read"), "a change is looked at once, and a read never"
        for look in looks:
            [lent] = acme.town.ledger(fingerprint=look["fingerprint"])
            assert lent["permissions"] == {"metadata": "read"}
            assert [use["method"] for use in lent["uses"]] == ["GET"]
            is_cut_to_size(lent, bound, frozenset(look["needed_permissions"]))
        minted = [entry for entry in acme.town.ledger(kind="scoped") if entry["fingerprint"] not in before]
        expected = {loan["fingerprint"], *(look["fingerprint"] for look in looks)}
        assert {entry["fingerprint"] for entry in minted} == expected, "one credential for the call, and one for a look"
        for entry in minted:
            assert (await acme.town.replay(entry["fingerprint"]))["status"] == 401
    else:
        held = set(loan["permissions"]).union(*(LINEAR_PARTS.get(each, ()) for each in loan["permissions"]))
        assert needed <= held
        assert used == [loan], "no other credential was used"


def is_cut_to_size(loan: dict[str, Any], bound: BoundCall, needed: frozenset[str]) -> None:
    """What GitHub itself enforces: exactly the derived permissions, on one repository, for this call only."""
    assert loan["kind"] == "scoped"
    assert {f"{name}:{level}" for name, level in loan["permissions"].items()} == needed | {"metadata:read"}
    scope = bound.scope
    if scope.resource_kind == "repository":
        assert loan["resources"] == [scope.resource_name]
    assert loan["revoked_at"] is not None


async def is_refused(inside: Inside, bound: BoundCall, less: frozenset[str]) -> None:
    """The very same requests under a key that is one step narrower."""
    provider, scope = bound.operation.provider.name, bound.scope
    repositories = [scope.resource_name] if scope.resource_kind == "repository" else ["acme/web"]
    answers: list[Answer] = []
    credential = inside.narrowed(provider, less, repositories)
    if bound.operation.tool in SEARCHES:
        lists = [SEARCHES[bound.operation.tool][one] for one in scope.permissions - less]
        found = (await send(bound, credential, inside.transport)).payload
        assert [found[one] for one in lists] == [[] for _ in lists]
        return
    with pytest.raises(LoanerError) as refused:
        await send(bound, credential, inside.transport, Terms(on_answer=answers.append))
    assert isinstance(refused.value, ProviderForbidden | ScopeNotGrantable | NotFound), refused.value
    assert is_about_permissions(provider, answers[-1]), (less, answers[-1])


def is_about_permissions(provider: str, answer: Answer) -> bool:
    """Refused for the width of the key, and not because something else went wrong."""
    match provider:
        case "github":
            return answer.status in {403, 404} and "x-accepted-github-permissions" in answer.headers
        case "slack":
            return bool(answer.body["error"] == "missing_scope")
        case _:
            return "nvalid scope" in answer.body["errors"][0]["message"]
