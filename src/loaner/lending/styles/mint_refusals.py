"""Why no credential was made, in words: who has to do what so that there is one next time."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from loaner.errors import (
    GrantBroken,
    LoanerError,
    ProviderForbidden,
    ProviderUnavailable,
    RateLimited,
    ScopeNotGrantable,
    SettingsInvalid,
)
from loaner.lending.loan import MintRequest
from loaner.provider_call import Answer
from loaner.provider_call.failures import explained
from loaner.provider_call.limit_headers import is_limit, is_used_up, retry_after
from loaner.provider_call.verdict import documentation, reason_of


def not_honoured(status: int, ask: MintRequest) -> GrantBroken:
    title = ask.provider.title
    return GrantBroken(f"{title} no longer honours the user's grant.", log=f"{title} answered {status}")


def not_installed(ask: MintRequest, target: str, reached: Sequence[str] = ()) -> ScopeNotGrantable:
    """``reached``: the accounts where it is installed, as far as this user reaches them."""
    title = ask.provider.title
    where = f"on {target}, or there is no such account" if target else "anywhere that this user reaches"
    names = ", ".join(reached)
    refused = ScopeNotGrantable(
        f"the {title} app of connector {ask.connector.name} is not installed {where}. Nothing was sent."
        f"{f' It is on {names}.' if reached else ''}",
        do=f"Check the name. Otherwise an owner of {target or 'the account'} has to install the app; "
        "what is public but outside of its installations is out of reach.",
    )
    refused.of_target = True
    return refused


def suspended(ask: MintRequest, target: str) -> LoanerError:
    """Known from the list of installations."""
    reason = next((one for one in ask.provider.reasons if one.name == "installation_suspended"), None)
    if reason:
        return explained(reason, ask.provider, target, "the installation is listed as suspended")
    return not_installed(ask, target)


def not_accepted(
    ask: MintRequest, target: str, *, own: bool, lacking: frozenset[str], asks_for: frozenset[str] | None
) -> ScopeNotGrantable:
    """The app is installed on ``target``: a permission is ``lacking`` there or, if none is, the name is wrong.

    ``own``: it is a person's account. ``asks_for``: what the app asks of everybody, where that is known.
    """
    title, names = ask.provider.title, ", ".join(sorted(lacking))
    page = _page(ask, target, own=own)
    if not lacking:
        error = ScopeNotGrantable(
            f"connector {ask.connector.name} can't give {ask.scope.told()}: it is not among the repositories of "
            f"{target} that this user and the app both reach.",
            do=f"Check the name. Otherwise an owner of {target} has to add it to the app's installation{page}.",
        )
        error.of_names = True
        return error
    if asks_for is not None and ask.provider.covers(asks_for, lacking):
        return ScopeNotGrantable(
            f"connector {ask.connector.name} can't give {ask.scope.told()}: the app asks for {names}, and {target} has "
            "not accepted that yet.",
            do=f"An owner of {target} has to accept it{page}; then repeat the call.",
        )
    return ScopeNotGrantable(
        f"connector {ask.connector.name} can't give {ask.scope.told()}: the app may not do {names} there.",
        do=f"An operator has to add it to the permissions of the {title} app, unless that is done; then an owner of "
        f"{target} has to accept it{page}.",
    )


def not_given(ask: MintRequest, target: str, message: object) -> ScopeNotGrantable:
    """The same where the installations cannot be listed: which of it is wrong, is not known."""
    title = ask.provider.title
    error = ScopeNotGrantable(
        f"connector {ask.connector.name} can't give {ask.scope.told()}.",
        do=f"Check the name. Otherwise an operator must give the {title} app this permission, or install it on that "
        f"repository; and an owner of {target or 'the account'} must accept it{_page(ask, target, own=False)}.",
    )
    error.of_names = not (isinstance(message, str) and "permissions requested" in message)
    return error


def _page(ask: MintRequest, target: str, *, own: bool) -> str:
    """Where the owner of an account sees to its installations, in brackets."""
    lending = ask.provider.lending
    at = lending.accept_own if own else lending.accept
    return f" ({ask.provider.url(at, target=target)})" if at and target else ""


def refused_mint(answer: Answer, ask: MintRequest, target: str) -> LoanerError:
    """A mint was refused, or never asked for: nothing was lent. ``target`` is the account that it named."""
    title = ask.provider.title
    if reason := reason_of(answer, ask.provider):
        return explained(reason, ask.provider, target, f"mint answered {answer.status}, {reason.name}")
    if answer.status == HTTPStatus.UNAUTHORIZED:
        # About the app's own credentials. The person's grant is as good as before, and must not be ended for it.
        return SettingsInvalid(
            f"{title} does not accept the client_id and client_secret of the connector {ask.connector.name!r}. "
            "Nothing was sent.",
            do=f"An operator has to set connectors.{ask.connector.name}.client_secret to the app's present one.",
            dont="Don't repeat the call before. The user need not connect anything again.",
            log=f"mint answered {answer.status}",
        )
    if is_limit(answer, ask.provider.rate):
        wait = retry_after(answer.headers, ask.provider.rate)
        limited = RateLimited(f"by {title}: no credential can be minted for {wait} s.", retry_after=wait)
        # Only what is used up is everybody's: of anything else it is not known that another target has it too.
        limited.target = "" if is_used_up(answer.headers, ask.provider.rate) else target
        return limited
    if answer.status == HTTPStatus.FORBIDDEN:
        return _not_admitted(answer, ask, target)
    return not_now(ask, f"mint answered {answer.status}")


def _not_admitted(answer: Answer, ask: MintRequest, target: str) -> ProviderForbidden:
    """A definite refusal for this target. Nothing of it is remembered: others are as free as before."""
    title, where = ask.provider.title, target or "this user's accounts"
    return ProviderForbidden(
        f"{title} makes no credential for {where}: the app's installation there is suspended, or {where} does not "
        "admit this address (IP allow list) or this session (SAML). Nothing was sent.",
        do=f"An owner of {where} has to look at it. Calls on other accounts go on.",
        dont="Retrying won't help.",
        log=f"mint answered 403, no limit named {documentation(answer, ask.provider)}".strip(),
    )


def not_now(ask: MintRequest, log: str) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"{ask.provider.title} could not make a credential right now. Nothing was sent.",
        do="Repeat the call in a minute.",
        log=log,
    )
