"""What a record says, how sensitive each part of it is, and what it cannot be made to say."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from audit_parts import ALICE, Call, Clock
from hypothesis import given
from hypothesis import strategies as st

from loaner.audit import Draft
from loaner.audit.plain import LONGEST, plain
from loaner.audit.record import FIELDS
from loaner.identity.caller import Agent
from loaner.policy import Allowed, Ask, Refused
from loaner.scope import Limit, Scope

PERSONAL = {"issuer", "agent_issuer", "sub", "origin", "resource", "limits"}
DIGESTS = {"arguments_digest", "fingerprint"}
OPEN = {
    *(
        "id",
        "kind",
        "of",
        "asked_at",
        "agent",
        "agent_version",
        "agent_verified",
        "agent_kind",
        "environment",
        "task",
    ),
    *("tool", "effect"),
    *("provider", "connector", "needed_permissions", "granted_permissions", "excess_permissions"),
    *("decision", "rule", "reason", "policy_version", "grant_id", "approval_id", "proven_by", "whole_text_opened"),
    *("loan_id", "loan_style", "rung", "minted_at", "expires_at", "lived_ms"),
    *("returned_how", "returned_at", "returned_confirmed", "request", "used", "status", "answered_at"),
    *("outcome", "code", "word"),
}


def test_every_field_has_a_sensitivity_and_none_is_new():
    """MUST 59: a new field belongs in one of the sets above, by a person who has thought about it."""
    assert {name for name, how in FIELDS.items() if how == "personal"} == PERSONAL
    assert {name for name, how in FIELDS.items() if how == "digest"} == DIGESTS
    assert {name for name, how in FIELDS.items() if how == "open"} == OPEN


@dataclass
class Loan:
    minted_at: datetime
    id: str = "l" * 32
    style: str = "down_scoped"
    fingerprint: str = "f" * 64
    permissions: frozenset[str] = frozenset({"issues:write", "metadata:read"})
    excess: frozenset[str] = frozenset({"metadata:read"})
    limits: tuple[Limit, ...] = (Limit("resource", "acme/web", "provider"),)
    expires_at: datetime | None = None


@dataclass
class Yes:
    @dataclass
    class Grant:
        id: str = "g" * 32
        connector: str = "gh-dev"

    grant: Grant
    approval_id: str | None = "p" * 32
    proven_by: str | None = "local-browser"


def whole(now: Clock) -> Draft:
    draft = Draft.begun(Call(), ALICE, now)
    draft.needed(Scope("github", frozenset({"issues:write"}), "repository:acme/web"))
    draft.ruled(Ask("writes-ask", "a write needs approval"), version="builtin-1")
    draft.consented(Yes(Yes.Grant()))
    draft.lent(Loan(minted_at=now()))
    draft.sent("POST /repos/{owner}/{repo}/issues")
    draft.heard(201)
    draft.succeeded()
    now.pass_by(milliseconds=41)
    draft.returned("revoked", now(), confirmed=True)
    return draft


def test_a_record_answers_every_question(now: Clock):
    said = whole(now).body()
    assert {name: said[name] for name in ("needed_permissions", "granted_permissions", "excess_permissions")} == {
        "needed_permissions": ["issues:write"],
        "granted_permissions": ["issues:write", "metadata:read"],
        "excess_permissions": ["metadata:read"],
    }
    assert said["limits"] == [{"what": "resource", "value": "acme/web", "enforced_by": "provider"}]
    assert (said["decision"], said["rule"], said["policy_version"]) == ("ask", "writes-ask", "builtin-1")
    assert (said["connector"], said["proven_by"], said["used"]) == ("gh-dev", "local-browser", 1)
    assert (said["lived_ms"], said["returned_how"], said["returned_confirmed"]) == (41, "revoked", True)
    assert said["asked_at"] == "2026-11-22T12:00:00.123Z"


def test_the_ruling_is_named_for_what_it_was(now: Clock):
    draft = Draft.begun(Call(), ALICE, now)
    for ruling, decision in ((Allowed("r", ""), "allowed"), (Ask("r", ""), "ask"), (Refused("r", ""), "refused")):
        draft.ruled(ruling)
        assert draft.decision == decision


def test_a_draft_survives_the_journal(now: Clock):
    draft = whole(now)
    again = Draft.from_body(json.loads(json.dumps(draft.body())), now=now)
    assert again.body() == draft.body()
    assert again.subject == ALICE.subject.key


def test_a_journalled_draft_that_nobody_finished_says_interrupted(now: Clock):
    said = Draft.from_body(Draft.begun(Call(), ALICE, now).body()).body()
    assert (said["outcome"], said["code"]) == ("unknown", "interrupted")


def test_a_draft_of_another_version_is_not_guessed_at(now: Clock):
    with pytest.raises(TypeError):
        Draft.from_body(Draft.begun(Call(), ALICE, now).body() | {"v": 2})
    with pytest.raises(TypeError):
        Draft.from_body(Draft.begun(Call(), ALICE, now).body() | {"token": "x"})


def test_a_clock_that_jumps_back_gives_no_negative_life(now: Clock):
    draft = whole(now)
    draft.returned("revoked", datetime(2020, 1, 1, tzinfo=UTC) + timedelta(0), confirmed=True)
    assert draft.lived_ms == 0


HOSTILE = [
    *("\x1b[2J\x1b[31mOK", "a\r\n2026-11-22 all is well", "\u202etxt.exe"),
    *("\u2028", "\ud800", "\x00", "\u200b", "\U000e0041"),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_would_act_on_a_reader_is_shown_instead(now: Clock, text: str):
    """MUST 59."""
    caller = replace(ALICE, agent=Agent(text, version=text), origin=text)
    draft = Draft.begun(Call(tool=text), caller, now)
    draft.needed(Scope("github", frozenset({text}), text))
    said = draft.body()
    for shown in (said["agent"], said["origin"], said["tool"], said["resource"], *said["needed_permissions"]):
        assert shown.isprintable()
        assert re.search(r"U\+[0-9A-F]{4}|\[key", shown)


@pytest.mark.parametrize(
    "key", ["ghu_" + "A1" * 18, "github_pat_" + "A1" * 20, "xoxp-1234567890-" + "a" * 24, "lin_oauth_" + "b" * 40]
)
def test_a_key_where_a_name_belongs_is_recognised_and_not_kept(now: Clock, key: str):
    draft = Draft.begun(Call(tool=f"github_{key}"), ALICE, now)
    assert key not in json.dumps(draft.body())
    assert "[key " in draft.body()["tool"]


@given(st.text(max_size=600))
def test_plain_text_is_short_printable_and_settled(text: str):
    once = plain(text)
    assert len(once) <= LONGEST
    assert once.isprintable()
    assert plain(once) == once
    once.encode()


def test_endless_text_and_endless_lists_are_cut(now: Clock):
    draft = Draft.begun(Call(tool="x" * 10_000_000), ALICE, now)
    draft.needed(Scope("github", frozenset(str(n) for n in range(1000)), "user"))
    assert len(json.dumps(draft.body())) < 2000
