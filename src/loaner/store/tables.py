"""The tables. Moments are stored as whole milliseconds since the epoch, UTC.

Secrets stand only in the columns named ``sealed`` and ``code_shown``, and sealed among what a pending consent shows;
cookies and states only as hashes.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime, kept as milliseconds so that both engines compare it the same way."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else round(value.timestamp() * 1000)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else datetime.fromtimestamp(value / 1000, UTC)


metadata = MetaData()

grants = Table(
    "grants",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("subject", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("connector", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("permissions", JSON, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("account_name", Text, nullable=False),
    Column("state", Text, nullable=False),  # active | revoking | disabled | revoked; only the last is over
    Column("reason", Text),
    Column("version", Integer, nullable=False),
    Column("sealed", LargeBinary),
    Column("expires_at", Moment),
    Column("refresh_expires_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("used_at", Moment),
    Column("lease_holder", Text),
    Column("lease_until", Moment),
    Column("ends_at", Moment),  # when everything that it holds is dead at the latest; null: no known end
    Column("attempts", Integer, nullable=False, default=0, server_default="0"),  # to end it at the provider
    Column("next_attempt_at", Moment),
    Column("last_error", Text),
    Column("refused", Integer, nullable=False, default=0, server_default="0"),  # refreshes, in words nobody knows
    Column("refused_at", Moment),  # the first of them
    Column("place", Text),  # where its provider was: Provider.place; null for one of before that was kept
    Column("client_id", Text),  # of the app that it was granted to; null likewise, until it is renewed
    Index("grants_of", "subject", "connector", "state"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("subject", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("connector", Text, nullable=False),
    Column("operations", JSON, nullable=False),
    Column("resources", JSON, nullable=False),
    Column("digest", Text),  # of the exact arguments; null for a wider approval
    Column("task", String(32)),  # the task it is a part of, if it is
    Column("fixed", JSON),  # arguments that must be exactly these, in a task
    Column("effect", Text),  # read, for one that covers all reads of its connector
    Column("permissions", JSON),  # the sets that the person was shown; a call needs no more than one of them
    Column("ids", JSON),  # of its resources at the provider, as far as they are known
    Column("uses_left", Integer),  # null where they are not counted
    Column("policy_version", Text, nullable=False),
    Column("proven_by", Text, nullable=False),  # how the person's presence was proven
    Column("phrase", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("tag", String(64)),  # keyed, over all of the row
    Index("approvals_of", "subject", "agent"),
    Index("approvals_task", "task"),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("subject", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("need", String(64), nullable=False),  # of the proposal, before it was trimmed
    Column("source", Text, nullable=False),  # agent | host | issuer
    Column("policy_version", Text, nullable=False),
    Column("proven_by", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("ended_why", Text),
    Column("lifted_at", Moment),  # the person let go of what it demanded
    Column("tag", String(64)),
    Index("tasks_of", "subject", "agent"),
)

consents = Table(
    "consents",
    metadata,
    Column("handle", String(64), primary_key=True),
    Column("code_hash", String(64), nullable=False, unique=True),
    Column("code_shown", LargeBinary, nullable=False),  # the user code, sealed: it is shown again to the same caller
    Column("need", String(64), nullable=False),  # one pending consent per (caller, need)
    Column("caller", String(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("agent", JSON, nullable=False),
    Column("environment", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("connector", Text, nullable=False),
    Column("wants_grant", Boolean, nullable=False),
    Column("wants_approval", Boolean, nullable=False),
    Column("digest", Text, nullable=False),
    Column("shown", JSON, nullable=False),  # what the page says: phrase, payload, permissions, resource, limits
    Column("policy_version", Text, nullable=False),
    Column("state", Text, nullable=False),  # pending | linking | account | approved | denied | expired | failed
    Column("failure", Text),
    Column("remember", Text),  # once | hour
    Column("reading", JSON),  # what the person chose to let agents read, how many of them and for how long
    Column("sealed", LargeBinary),  # the provider flow in progress: device code, or PKCE verifier
    Column("flow", JSON),  # what of that flow may be shown: provider code, link, interval
    Column("state_hash", String(64)),  # of the one-time `state` of a redirect flow
    Column("poll_after", Moment),
    Column("lease_until", Moment),
    Column("proven_by", Text),
    Column("told", Boolean, nullable=False, default=False),  # a denial has been told to the agent once
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("decided_at", Moment),
    Column("tag", String(64)),  # over all that the yes depends on
    Index("consents_need", "caller", "need", "state"),
    Index("consents_state", "state_hash"),
)

openings = Table(
    "openings",  # long texts that a person opened whole before answering
    metadata,
    Column("handle", String(64), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
)

pauses = Table(
    "pauses",
    metadata,
    Column("id", String(64), primary_key=True),  # of the person, the agent, the environment, the tool and the resource
    Column("subject", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("denials", Integer, nullable=False),  # one after the other
    Column("until", Moment, nullable=False),
    Column("at", Moment, nullable=False),  # of the last denial
    Column("tag", String(64)),
    Index("pauses_of", "subject", "until"),
)

web_sessions = Table(
    "web_sessions",
    metadata,
    Column("id_hash", String(64), primary_key=True),
    Column("subject", Text),  # null until signed in
    Column("display", Text, nullable=False, default=""),
    Column("proven_by", Text, nullable=False, default="none"),
    Column("accounts", JSON),  # what the issuer says of the person's accounts at providers
    Column("sealed", LargeBinary),  # not used any more; the tag covers it, so without it everybody would be signed out
    Column("state_hash", String(64)),
    Column("wrong_codes", Integer, nullable=False, default=0),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("tag", String(64)),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", Text, primary_key=True),  # the credential's own, base64url
    Column("subject", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("tag", String(64), nullable=False),  # keyed, over the three above
    Column("sign_count", BigInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("used_at", Moment),
    Index("passkeys_of", "subject"),
)

passkey_challenges = Table(
    "passkey_challenges",
    metadata,
    Column("session", String(64), primary_key=True),  # the hash of the browser's
    Column("purpose", Text, primary_key=True),
    Column("challenge", LargeBinary, nullable=False),
    Column("form", JSON, nullable=False),  # what the proof will be a yes to
    Column("expires_at", Moment, nullable=False),
    Column("tag", String(64)),
)

loans = Table(
    "loans",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("call_id", String(32), nullable=False),
    Column("subject", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("connector", Text, nullable=False),
    Column("client_id", Text),  # of the app that it was minted for; null for one of before that was kept
    Column("grant_id", String(32), nullable=False),
    Column("style", Text, nullable=False),  # down_scoped | held
    Column("state", Text, nullable=False),  # intent | lent | returning | returned | expired | failed
    Column("owner", Text, nullable=False),  # the process that carries the call: host, pid and when it started
    Column("permissions", JSON, nullable=False),
    Column("resource", Text, nullable=False),
    Column("fingerprint", String(64)),
    Column("sealed", LargeBinary),
    Column("intent_at", Moment, nullable=False),
    Column("minted_at", Moment),
    Column("expires_at", Moment),
    Column("latest_expiry", Moment, nullable=False),
    Column("returned_at", Moment),
    Column("returned_how", Text),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", Moment),
    Column("last_error", Text),
    Column("record", JSON, nullable=False),  # the record so far, so that a crash still leaves one
    Index("loans_open", "state", "next_attempt_at"),
)

_NO_CALL = text("kind <> 'call'")
records = Table(
    "records",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("id", String(32), nullable=False, unique=True),
    Column("at", Moment, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),  # canonical JSON; what the hash covers
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("records_subject", "subject", "seq"),
    Index("records_other", "kind", "seq", sqlite_where=_NO_CALL, postgresql_where=_NO_CALL),  # calls pay nothing for it
)

tiles = Table(
    "tiles",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("root", String(64), nullable=False),  # over records 256 * number + 1 to 256 * (number + 1)
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("root", String(64), nullable=False),
    Column("note", Text, nullable=False),  # signed, as it is handed out
    Column("at", Moment, nullable=False),
)

drifts = Table(
    "drifts",
    metadata,
    Column("id", String(32), primary_key=True),  # of tool, kind and what was named
    Column("tool", Text, nullable=False),
    Column("kind", Text, nullable=False),  # less | more | request
    Column("ours", Text, nullable=False),
    Column("named", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("connector", Text, nullable=False),
    Column("first_at", Moment, nullable=False),
)

rate_limits = Table(
    "budgets",
    metadata,
    Column("key", Text, primary_key=True),  # provider, connector and the account there
    Column("spent", JSON, nullable=False),  # by budget: how full, how large, and when that was
    Column("asleep_until", Moment),  # the provider asked for silence
)

blocks = Table(
    "fences",  # its name in every store: servers of an earlier version share it
    metadata,
    Column("kind", Text, primary_key=True),  # all | user | agent | connector | environment | grant
    Column("value", Text, primary_key=True),
    Column("set_by", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

throttles = Table(
    "throttles",
    metadata,
    Column("key", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("window_ends", Moment, nullable=False),
)

facts = Table(
    "facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
