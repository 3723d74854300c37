"""Whose tokens a verb is about: exactly one of the ways to say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from loaner.errors import UsageError

if TYPE_CHECKING:
    from loaner.blocks.blocks import Kind

MyTokens = Annotated[bool, typer.Option("--my-tokens", help="The person at this machine.")]
AllTokens = Annotated[bool, typer.Option("--all-tokens", "--all", help="Everybody.")]
User = Annotated[str | None, typer.Option(metavar="SUB", help="One person, by `sub`, or by issuer and `sub`.")]
Agent = Annotated[str | None, typer.Option(metavar="NAME", help="One agent, whoever it works for.")]
Connector = Annotated[str | None, typer.Option(metavar="NAME", help="One connector of the settings.")]
Environment = Annotated[str | None, typer.Option(metavar="NAME", help="One environment.")]


def selected(
    my_tokens: bool,
    all_tokens: bool,
    user: str | None,
    agent: str | None,
    connector: str | None,
    environment: str | None,
) -> tuple[Kind, str]:
    """The kind and the value of the block that is meant. Raises :class:`UsageError` unless it is exactly one."""
    from loaner.identity.local_person import local_subject

    said: list[tuple[Kind, str | None]] = [
        ("user", local_subject().key if my_tokens else None),
        ("all", "" if all_tokens else None),
        ("user", user),
        ("agent", agent),
        ("connector", connector),
        ("environment", environment),
    ]
    meant = [(kind, value) for kind, value in said if value is not None and (value or kind == "all")]
    if len(meant) != 1:
        raise UsageError(
            "say whose: one of --my-tokens or --all-tokens, --user, --agent, --connector, --environment.",
            do="--yes alone is not enough.",
        )
    return meant[0]
