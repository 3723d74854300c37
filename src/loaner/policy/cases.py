"""Cases that a policy has to rule as written: ``policy/tests/*.toml``, one ``[[case]]`` each."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loaner.catalog import Catalog
from loaner.errors import LoanerError, PolicyInvalid
from loaner.identity.caller import Agent, AgentKind, Caller, Subject
from loaner.policy.cedar import CedarPolicy
from loaner.policy.ruling import Allowed, Ask, Ruling

Verdict = Literal["allowed", "ask", "ask_exact", "refused"]


class PolicyCase(BaseModel):
    """One call and what the rules shall say to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    tool: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    issuer: str = "local"
    person: str = "someone"
    agent: str = "an-agent"
    verified: bool = False
    """As if an issuer vouched for the agent: ``kind = "client"``."""
    kind: AgentKind | None = None
    agent_issuer: str = ""
    environment: str = "development"
    at: datetime = datetime(2026, 1, 5, 12, tzinfo=UTC)
    task: str | None = None
    expect: Verdict
    rule: str | None = None
    """The rule that shall decide, where that matters."""


def verdict(ruling: Ruling) -> Verdict:
    if isinstance(ruling, Allowed):
        return "allowed"
    if isinstance(ruling, Ask):
        return "ask_exact" if ruling.exact else "ask"
    return "refused"


def ruling_of(case: PolicyCase, policy: CedarPolicy, catalog: Catalog) -> Ruling:
    """Raises what binding the call raises."""
    agent = Agent(case.agent, case.kind or ("client" if case.verified else "reported"), case.agent_issuer)
    who = Caller(Subject(case.issuer, case.person), agent, case.environment, "a policy test")
    bound = catalog[case.tool].bind(case.arguments)
    return policy.rule(who, bound, bound.scope, case.at, task=case.task)


def problem(case: PolicyCase, policy: CedarPolicy, catalog: Catalog) -> str | None:
    """What is not as the case says; ``None`` if all is."""
    try:
        ruling = ruling_of(case, policy, catalog)
    except LoanerError as failure:
        return f"the call is not one: {failure.cause}"
    if verdict(ruling) != case.expect:
        return f"expected {case.expect}, got {verdict(ruling)} by rule {ruling.rule}"
    if case.rule is not None and ruling.rule != case.rule:
        return f"expected rule {case.rule}, got {ruling.rule}"
    return None


def read_cases(folder: Path) -> list[tuple[str, PolicyCase]]:
    """Every case below ``folder/tests`` and its file. Raises :class:`PolicyInvalid`, also if there is none."""
    found: list[tuple[str, PolicyCase]] = []
    for file in sorted((folder / "tests").glob("*.toml")):
        try:
            written = tomllib.loads(file.read_text(encoding="utf-8")).get("case", [])
            found += [(str(file), PolicyCase.model_validate(one)) for one in written]
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
            raise PolicyInvalid(f"{failure}.", where=str(file)) from None
        except ValidationError as failure:
            first = failure.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise PolicyInvalid(f"{where}: {first['msg']}.", where=str(file)) from None
    if not found:
        raise PolicyInvalid("there is no case in it.", where=str(folder / "tests"))
    return found
