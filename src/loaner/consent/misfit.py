"""What a provider granted, compared with what was asked: less does not do, and more was agreed to by nobody."""

from __future__ import annotations

from loaner.catalog.provider import Provider
from loaner.consent.requests import ConsentRequest
from loaner.grants.grants import Granted, Grants
from loaner.grants.token_endpoint import TokenSet


async def misfit(grants: Grants, asked: ConsentRequest, granted: Granted) -> str | None:
    """Compare what was granted with what was asked (RFC 6749 §5.1), and for whom; words when it does not fit."""
    return _another_account(asked, granted) or await _another_width(grants, asked, granted.provider, granted.tokens)


def _another_account(asked: ConsentRequest, granted: Granted) -> str | None:
    """Where the person's sign-in names their account, it is the only one."""
    expected, provider = asked.shown.get("account"), granted.provider
    if expected is None:
        return None
    account_id, name = granted.account or ("", "")
    by_name = provider.grant.account.claimed == "name" and name.casefold() == expected.casefold()
    if by_name or (provider.grant.account.claimed == "id" and account_id == expected):
        return None
    return (
        f"{provider.title} says that you are {name} ({account_id}), and your sign-in here that your account there is "
        f"{expected}. Nothing was connected."
    )


async def _another_width(grants: Grants, asked: ConsentRequest, provider: Provider, granted: TokenSet) -> str | None:
    if provider.lending.style != "pass_through":
        return None  # the app's registration fixes the width, and every loan is narrowed from it
    needed = asked.permissions
    if not provider.covers(granted.permissions, needed):
        missing = ", ".join(sorted(p for p in needed if not provider.covers(granted.permissions, frozenset({p}))))
        return f"{provider.title} granted less than the call needs: {missing} is missing. Nothing was connected."
    # Slack adds up what one person has ever allowed an app. What this person allowed here before is no surprise.
    known = set(needed | provider.always | provider.consent.comes_along)
    for grant in await grants.usable_of(asked.subject):
        known |= grant.permissions if grant.connector == asked.connector else frozenset()
    if wider := provider.excess(granted.permissions, frozenset(known)):
        more = ", ".join(sorted(wider))
        return (
            f"{provider.title} granted more than was asked: {more}. Nothing was connected. "
            f"Remove the app in {provider.title}'s settings, then ask again."
        )
    return None
