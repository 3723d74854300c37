"""From a verdict to words for the model: what happened, what to do, what not to do. Never the provider's prose."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, NoReturn

from loaner.catalog import BoundCall
from loaner.catalog.provider import Provider
from loaner.catalog.reason import Reason
from loaner.catalog.result import look
from loaner.errors import (
    ConnectorOutdated,
    GrantBroken,
    LoanerError,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderForbidden,
    ProviderRejected,
    ProviderUnavailable,
    ProviderUnreachable,
    RateLimited,
    ScopeNotGrantable,
)
from loaner.provider_call.limit_headers import retry_after
from loaner.provider_call.transport import Answer, Unanswered
from loaner.provider_call.verdict import Verdict
from loaner.reference import new_reference
from loaner.scope import Scope

_REJECTED = {
    405: "it is not in a state in which that can be done.",
    409: "it conflicts with what is there now; it may have changed meanwhile. Read it again first.",
    410: "it is gone, or switched off there.",
    413: "it is too large.",
    422: "a value is not acceptable there, or the same thing exists already.",
}


def fail(verdict: Verdict, answer: Answer, bound: BoundCall, *, changing: bool, target: str = "") -> NoReturn:
    """Raise what ``verdict`` means for this call. ``changing``: the refused request was one that changes something;
    ``target``: the account that the call is about."""
    provider, ref = bound.operation.provider, new_reference()
    log = f"ref {ref}: {bound.operation.tool}: {verdict.trace}"
    if changing and (verdict.unsure or _says_done(answer, bound)):
        error: LoanerError = unavailable(bound, log, changing=True, ref=ref, word=verdict.word)
    elif verdict.reason:
        error = explained(verdict.reason, provider, target, log, ref=ref, word=verdict.word)
    elif verdict.code == "rate_limited":
        error = limited(bound, retry_after(answer.headers, provider.rate), log)
    elif verdict.code == "unavailable":
        error = unavailable(bound, log, changing=changing, ref=ref, word=verdict.word)
    else:
        error = _refused(verdict, bound, ref, log)
    error.word = error.word or verdict.word or verdict.page
    raise error


def _refused(verdict: Verdict, bound: BoundCall, ref: str, log: str) -> LoanerError:
    scope, title = bound.scope, bound.operation.provider.title
    steps_up = verdict.code == "forbidden" and _step(bound, scope, verdict.named) is not None
    if verdict.code == "scope_missing" or steps_up:
        return _scope_missing(verdict, bound, scope, ref, log)
    if verdict.code == "not_found":
        return _not_found(bound, scope, log, verdict.word)
    if verdict.code == "grant_broken":
        return GrantBroken(
            f"{title} no longer accepts the credential of this user's grant{_in_brackets(verdict.word)}. ref {ref}",
            do="Repeat the call: the user will be asked to connect their account again.",
            log=log,
        )
    if verdict.code == "outdated":
        return _outdated(verdict, bound, ref, log)
    if verdict.code == "forbidden":
        return _forbidden(verdict, bound, scope, ref, log)
    return _rejected(verdict, bound, ref, log)


def _outdated(verdict: Verdict, bound: BoundCall, ref: str, log: str) -> ConnectorOutdated:
    title = bound.operation.provider.title
    error = ConnectorOutdated(
        f"{title} no longer takes the requests that loaner makes for {bound.operation.tool}"
        f"{_in_brackets(verdict.word)}. Nothing was done. ref {ref}",
        do=f"Tell the user that the connector for {title} has to be updated. The operator finds it in the log.",
        dont="Don't change the arguments: they are not the cause.",
        log=log,
    )
    error.undone = True
    return error


def _in_brackets(word: str) -> str:
    return f" ({word})" if word else ""


def explained(
    reason: Reason, provider: Provider, target: str, log: str, *, ref: str = "", word: str = ""
) -> ProviderError:
    """A refusal for a listed reason. It is definite, so nothing was done, and it is about this call alone. ``word`` is
    the provider's own for it, if it has one."""
    cause, do = provider.told(reason, target)
    kinds = {"forbidden": ProviderForbidden, "rejected": ProviderRejected, "not_found": NotFound}
    error = kinds[reason.means](
        f"{provider.title} refused{_in_brackets(word) if word != reason.name else ''}: {cause}"
        f"{f' ref {ref}' if ref else ''}",
        do=do,
        dont="Don't repeat the call before.",
        log=log,
    )
    error.word, error.undone = word or reason.name, True
    return error


def limited(bound: BoundCall, seconds: int, log: str = "") -> RateLimited:
    return RateLimited(
        f"{bound.operation.provider.title} asks to wait: retry after {seconds} s.",
        retry_after=seconds,
        dont="Retry once at most; narrow the query or lower limit.",
        log=log,
    )


def unavailable(bound: BoundCall, log: str, *, changing: bool, ref: str = "", word: str = "") -> LoanerError:
    """No answer, or one that says nothing: harmless for a read, uncertain for a write that was sent."""
    title, ref, word = bound.operation.provider.title, ref or new_reference(), _in_brackets(word)
    if changing:
        return OutcomeUnknown(
            f"the write may have happened: {title} did not say{word}. ref {ref}",
            do=f"Check with {bound.operation.check} before repeating.",
            dont="Don't repeat the call unchecked.",
            log=log,
        )
    return ProviderUnavailable(
        f"{title} did not answer properly{word}. Nothing was changed. ref {ref}", do="Safe to repeat in 10 s.", log=log
    )


def not_as_expected(otherwise: str) -> ProviderRejected:
    """The world is another one than when it was looked at, and nothing was done."""
    error = ProviderRejected(f"nothing was changed: {otherwise}", dont="Don't repeat it unchanged.")
    error.undone = True
    return error


def unanswered(bound: BoundCall, lost: Unanswered, *, changing: bool) -> LoanerError:
    """No answer came."""
    if lost.lasting:
        return out_of_reach(bound.operation.provider, lost)
    return unavailable(bound, str(lost), changing=changing and lost.sent)


def out_of_reach(provider: Provider, lost: Unanswered) -> ProviderUnreachable:
    """Nothing was sent, and nothing will be until an operator changes something."""
    return ProviderUnreachable(
        f"{provider.title} cannot be reached from where loaner runs. Nothing was sent.",
        do="Waiting does not help. Tell the user: an operator has to change what loaner's log names.",
        dont="Don't repeat the call.",
        log=str(lost),
    )


def _says_done(answer: Answer, bound: BoundCall) -> bool:
    """Does it say, beside its errors, that the change was made? Then only something inside the answer failed."""
    data = look(answer.body, "data")
    return any(step.ok is not None and look(data, step.ok) is True for step in bound.operation.steps)


def _not_found(bound: BoundCall, scope: Scope, log: str, word: str) -> NotFound:
    selectors = [
        f"{name} {value}"
        for name, param in bound.operation.params.items()
        if param.role == "selector" and param.default is None and (value := bound.arguments.get(name)) is not None
    ]
    what = f"{', '.join(selectors)} in {scope.resource_name}" if selectors else scope.resource_name
    find = bound.operation.find
    return NotFound(
        f"{what} doesn't exist or isn't visible to this user{_in_brackets(word)}.",
        do=f"Check the spelling{f', or use {find}' if find else ''}.",
        log=log,
    )


def _scope_missing(verdict: Verdict, bound: BoundCall, scope: Scope, ref: str, log: str) -> ScopeNotGrantable:
    step = _step(bound, scope, verdict.named)
    named = ", ".join(sorted(step[2] if step else verdict.named)) or "another permission"
    error = ScopeNotGrantable(
        f"{bound.operation.provider.title} wants {named} for this, and {scope.told()} was used. ref {ref}",
        do=f"Repeat the call with {step[0]} “{_told(step[1])}”." if step else "",
        dont="" if step else "Don't repeat it unchanged.",
        log=log,
    )
    error.named = verdict.named
    error.step = step[:2] if step else None
    return error


def _step(bound: BoundCall, scope: Scope, named: frozenset[str]) -> tuple[str, Any, frozenset[str]] | None:
    """The argument, its value and the permissions of the first case of ours that the provider named.

    ``None`` where no argument leads there: then the connector is wrong or the provider has changed.
    """
    for case in bound.operation.rule.when:
        param, wanted = bound.operation.params.get(case.param), case.instead or case.add
        if param and param.role == "option" and wanted and wanted <= named and not wanted <= scope.permissions:
            if case.equals is not None:
                return case.param, case.equals, wanted
            if case.includes is not None:
                return case.param, [*bound.arguments.get(case.param, ()), case.includes], wanted
    return None


def _told(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _forbidden(verdict: Verdict, bound: BoundCall, scope: Scope, ref: str, log: str) -> ProviderForbidden:
    if verdict.status == HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS:
        return ProviderForbidden(
            f"{bound.operation.provider.title} does not show this for legal reasons. ref {ref}",
            do="Nothing that a call can change.",
            dont="Retrying won't help.",
            log=log,
        )
    ways = (scope.permissions, *scope.alternatives)  # which of them the credential has is not known here
    granted = " or ".join(", ".join(sorted(way)) for way in ways) or "access"
    error = ProviderForbidden(
        f"{bound.operation.provider.title} refused although {granted} was granted"
        f"{_in_brackets(verdict.word)}: the user may lack the right themself, or the organisation "
        f"may need to approve the app. ref {ref}",
        dont="Retrying won't help.",
        log=log,
    )
    error.named = verdict.named
    return error


def _rejected(verdict: Verdict, bound: BoundCall, ref: str, log: str) -> ProviderRejected:
    title, own = bound.operation.provider.title, bound.operation.refusals.get(verdict.status)
    why = own or _REJECTED.get(verdict.status, "it does not fit there.")
    why = f"{verdict.word}." if verdict.word else why
    do = "Change the arguments accordingly." if verdict.known else f"What that means: {bound.operation.source}"
    # A field is named only if it is one of our own parameters: the rest of the answer is the provider's text.
    fields = ", ".join(f"{name}: {code}" for name, code in verdict.fields if name in bound.operation.params)
    return ProviderRejected(
        f"{title} did not take the request: {why}{f' ({fields})' if fields else ''} ref {ref}",
        do="" if own else do,
        dont="Don't repeat it unchanged.",
        log=log,
    )
