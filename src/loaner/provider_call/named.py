"""Which permissions a provider itself says that a request accepts: the oracle by which ours are checked.

GitHub: https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#resource-not-accessible (comma
is *and*, semicolon is *or*). Slack: ``x-accepted-oauth-scopes`` lists scopes, of which some call of the method needs
one. Linear: names the missing scope in its refusal only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from loaner.catalog.provider import Provider
from loaner.provider_call.transport import Answer
from loaner.provider_call.verdict import judge

_ANYBODY = "allows_permissionless_access"
_MOST = 16
"""Ways in that are read of one answer."""


@dataclass(frozen=True)
class AcceptedPermissions:
    """Any one of ``ways`` will do. ``exact``: each way is all that the request needs, and nothing it does not."""

    ways: tuple[frozenset[str], ...]
    exact: bool


def named(answer: Answer, provider: Provider) -> AcceptedPermissions | None:
    """What this answer names, of a success as of a refusal; ``None`` where it names nothing."""
    verdict = judge(answer, provider)
    if verdict and verdict.code == "scope_missing":
        return AcceptedPermissions((verdict.named,), exact=False) if verdict.named else None
    header = answer.headers.get(provider.answers.accepted or "", "")[:2000]
    if not header or _ANYBODY in header:
        return None
    if provider.answers.style == "status":
        ways = tuple(way for part in header.split(";")[:_MOST] if (way := _all_of(part)))
        return AcceptedPermissions(ways, exact=True) if ways else None
    one_of = [part.strip() for part in header.split(",")[: _MOST * 2]]
    ways = tuple(frozenset({name}) for name in one_of if re.fullmatch(r"[a-z:_.]{1,60}", name))
    return AcceptedPermissions(ways, exact=False) if ways else None


def _all_of(part: str) -> frozenset[str]:
    pairs = [pair.strip().partition("=") for pair in part.split(",")]
    if not all(re.fullmatch(r"[a-z_]{1,60}", name) and re.fullmatch(r"[a-z]{1,20}", level) for name, _, level in pairs):
        return frozenset()  # half a way in would read as a narrower one
    return frozenset(f"{name}:{level}" for name, _, level in pairs)
