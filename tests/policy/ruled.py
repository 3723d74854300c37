"""Rulings of a policy text on calls of the real catalogue."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from loaner import catalog
from loaner.catalog import Catalog
from loaner.identity.caller import Agent, Caller, Subject
from loaner.policy import CedarPolicy, Ruling, load
from loaner.policy.rules import read
from loaner.policy.schema import schema_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
REPO = {"owner": "acme", "repo": "web"}
READ = ("github_issue_read", REPO | {"issue_number": 1})
WRITE = ("github_issue_create", REPO | {"title": "A title"})
DELETE = ("github_delete_file", REPO | {"path": "a.txt", "message": "gone", "sha": "a" * 40})
EVERY = '@id("every") permit (principal, action, resource);\n'
POST = ("slack_send_message", {"channel": "#releases", "text": "v1.4.0 is out"})


@cache
def tools() -> Catalog:
    return catalog.load()


@cache
def built_in(*, read_only: bool = False) -> CedarPolicy:
    return load(None, tools().operations, read_only=read_only)


def policy(text: str, **more: Any) -> CedarPolicy:
    return CedarPolicy(read({"team.cedar": text}, schema_of(tools().operations)), **more)


def ask(policy: CedarPolicy, call: tuple[str, dict[str, Any]], at: datetime = NOON, **who: Any) -> Ruling:
    agent = Agent(who.pop("agent", "claude-code"), "client" if who.pop("verified", False) else "reported")
    task = who.pop("task", None)
    person = who.pop("person", Subject("local", "ada"))
    caller = Caller(person, agent, who.pop("environment", "development"), "this computer")
    assert not who
    bound = tools()[call[0]].bind(call[1])
    return policy.rule(caller, bound, bound.scope, at, task=task)
