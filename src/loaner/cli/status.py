"""``loaner status``: what is stopped, connected, waiting and lent, and what is left of the providers' limits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loaner.cli._json import OBJECT
from loaner.cli._say import say
from loaner.cli.loans import listed, stuck, told_end
from loaner.errors import Exit

if TYPE_CHECKING:
    from loaner.settings import Settings


def status(as_json: Annotated[bool, typer.Option("--json", help=OBJECT)] = False) -> int:
    """Show what is connected, waiting and lent.

    Also what is stopped, and what is left of providers' limits. Exits 9 where something is stuck.

    \b
    Examples:
      loaner status
      loaner status --json
    """
    import anyio

    told = anyio.run(_status)
    if as_json:
        print(json.dumps(told))
    else:
        _tell(told)
    return int(Exit.STUCK if told["stuck"] or told["altered"] else Exit.OK)


def _tell(told: dict[str, Any]) -> None:
    say(f"environment {told['environment']}, {told['tools']} tools, {len(told['servers'])} servers running")
    files = ", ".join(told["settings"]["files"]) or f"no file (looked for {told['settings']['looked_for']})"
    say(f"settings from {files}; rules {told['settings']['policy'] or 'built in'}; home {told['settings']['home']}")
    if told["settings"]["project"]:
        say(f"narrowed by the project's {told['settings']['project']}, which is trusted")
    if told["no_store_at"]:
        say(f"there is no store yet at {told['no_store_at']}: no server has run with this LOANER_HOME")
    _section("stopped", [_block(row) for row in told["stopped"]], "nothing")
    if told["altered"]:
        _section("altered behind loaner's back", told["altered"], "")
    nobody = "nobody now; see below" if told["ending"] else "nobody has connected an account"
    _section("connected", [_grant(row) for row in told["grants"]], nobody)
    if told["ending"]:
        _section("stopped, but not confirmed to have ended", [_ending(row) for row in told["ending"]], "")
    _section("waiting for a person", [_consent(row) for row in told["consents"]], "nothing")
    _section("open loans", [_loan(row) for row in told["loans"]], "none: every credential is confirmed returned")
    if told["stuck"]:
        _section("stuck for more than ten minutes", [f"{row['kind']} {row['id']}" for row in told["stuck"]], "")
    _section("limits", [_left(row) for row in told["limits"]], "nothing was spent yet")


def _section(title: str, lines: list[str], none: str) -> None:
    say(title)
    for line in lines or [none]:
        say(f"  {line}")


def _block(row: dict[str, Any]) -> str:
    return f"{row['told']} by {row['by']} since {row['since']}; lift it: {row['lift']}"


def _grant(row: dict[str, Any]) -> str:
    permissions = ", ".join(row["permissions"]) or "what the app may do"
    told = f"{row['provider']:8} {row['account']:16} {permissions} (through {row['connector']}, since {row['since']})"
    return f"{told}; not used: {row['unused']}" if row["unused"] else told


def _ending(row: dict[str, Any]) -> str:
    why = row["last_error"] or row["reason"]
    return (
        f"{row['provider']:8} {row['account']:16} {why} (through {row['connector']}), {told_end(row['latest_expiry'])}"
    )


def _consent(row: dict[str, Any]) -> str:
    return f"{row['tool']} for {row['agent']}: {row['phrase']}, until {row['expires_at']}"


def _loan(row: dict[str, Any]) -> str:
    permissions = ", ".join(row["permissions"]) or "no permission"
    return f"{row['provider']:8} {permissions} on {row['resource']}, {told_end(row['latest_expiry'])}"


def _left(row: dict[str, Any]) -> str:
    again = f", all of it back in {row['full_in']} s" if row["full_in"] else ""
    return f"{row['provider']:8} {row['account']:16} {row['left']} of {row['limit']} {row['rate_limit']} left{again}"


def _settings(settings: Settings) -> dict[str, Any]:
    return {
        "files": [str(file) for file in settings.files],
        "looked_for": str(settings.looked_for),
        "policy": str(settings.policy_folder) if settings.policy_folder else None,
        "home": str(settings.home),
        "project": str(settings.project.file) if settings.project else None,
    }


async def _status() -> dict[str, Any]:
    from dataclasses import asdict

    from sqlalchemy import select

    from loaner.audit import agreement
    from loaner.cli import _opened, _servers
    from loaner.clock import iso
    from loaner.consent import requests
    from loaner.grants import endings
    from loaner.lending.journal import known_end, open_loans
    from loaner.store.tables import consents

    async with _opened.loaner_to_look_at() as (loaner, missing):
        grants = await loaner.grants.everybodys()
        names = {(grant.provider, grant.account_id): grant.account_name for grant in grants}
        waiting = select(consents).where(consents.c.state.in_(requests.OPEN), consents.c.expires_at > loaner.now())
        return {
            "environment": loaner.settings.environment,
            "settings": _settings(loaner.settings),
            "no_store_at": str(missing) if missing else None,
            "tools": len(loaner.catalog),
            "servers": [asdict(server) for server in _servers.running(loaner.settings.home)],
            "stopped": [
                {
                    "kind": block.kind,
                    "value": block.value,
                    "told": block.told(),
                    "by": block.set_by,
                    "since": iso(block.at),
                    "lift": block.lifting(),
                }
                for block in await loaner.stopper.standing()
            ],
            "altered": await loaner.store.read(lambda c: agreement.differences(c, loaner.now())),
            "grants": [
                {
                    "id": grant.id,
                    "subject": grant.subject,
                    "provider": grant.provider,
                    "connector": grant.connector,
                    "account": grant.account_name,
                    "permissions": sorted(grant.permissions),
                    "since": iso(grant.created_at),
                    "unused": loaner.grants.why_elsewhere(grant),
                }
                for grant in grants
            ],
            "ending": [
                {
                    "id": one.grant.id,
                    "subject": one.grant.subject,
                    "provider": one.grant.provider,
                    "connector": one.grant.connector,
                    "account": one.grant.account_name,
                    "reason": one.reason,
                    "attempts": one.attempts,
                    "last_error": one.last_error,
                    "latest_expiry": iso(one.ends_at),
                }
                for one in await loaner.store.read(endings.listed)
            ],
            # Neither code nor link: whoever may look at the state may not thereby answer a question.
            "consents": [
                {
                    "tool": row.tool,
                    "agent": row.agent.get("name", ""),
                    "subject": row.subject,
                    "phrase": row.shown.get("phrase", row.tool),
                    "expires_at": iso(row.expires_at),
                }
                for row in await loaner.store.read(lambda c: c.execute(waiting).all())
            ],
            "loans": [
                {
                    "id": loan.id,
                    "provider": loan.provider,
                    "permissions": loan.permissions,
                    "resource": loan.resource,
                    "state": loan.state,
                    "latest_expiry": iso(known_end(loan.latest_expiry)),
                }
                for loan in await loaner.store.read(open_loans)
            ],
            "stuck": [
                {"kind": row["kind"], "id": row["id"], "since": row["since"]}
                for row in stuck(await listed(loaner.store), loaner.now())
            ],
            "limits": [
                asdict(left) | {"account": names.get((left.provider, left.account), left.account)}
                for left in await loaner.limiter.left(loaner.catalog.providers)
            ],
        }
