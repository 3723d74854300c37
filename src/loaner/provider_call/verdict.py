"""What an answer means: fine, or one of a provider's many ways to say no, as one word of ours.

Reads status, headers, error codes and patterns; never keeps what the provider wrote for people.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from loaner.catalog.provider import Provider
from loaner.catalog.reason import FailureCode, Reason
from loaner.catalog.result import look
from loaner.provider_call.limit_headers import is_limit
from loaner.provider_call.transport import Answer

_STATUS: dict[int, FailureCode] = {
    401: "grant_broken",
    403: "forbidden",
    404: "not_found",
    429: "rate_limited",
    451: "forbidden",
}
_FIELD_CODES = frozenset({"missing", "missing_field", "invalid", "already_exists", "unprocessable", "custom"})


@dataclass(frozen=True)
class Verdict:
    """A refusal. ``word`` is the provider's own where it is an identifier, or a reason of our list; else empty."""

    code: FailureCode
    status: int
    word: str = ""
    named: frozenset[str] = frozenset()
    """Permissions that the provider asked for."""
    fields: tuple[tuple[str, str], ...] = ()
    """What it says of single fields: the field's name and a code of a closed set."""
    known: bool = True
    """Our data knows the word, if there is one."""
    trace: str = ""
    """For the log."""
    page: str = ""
    """Which page of its documentation it points to."""
    reason: Reason | None = None
    """Why, where the provider's file lists that."""
    unsure: bool = False
    """It does not rule out that the request was carried out: a write may have happened."""


def judge(answer: Answer, provider: Provider) -> Verdict | None:
    """None where the answer is a success."""
    match provider.answers.style:
        case "status":
            return _by_status(answer, provider) if answer.status >= HTTPStatus.BAD_REQUEST else None
        case "ok_field":
            return _by_ok_field(answer, provider)
        case "graphql":
            return _by_graphql_errors(answer, provider)


def _by_status(answer: Answer, provider: Provider, word: str = "") -> Verdict:
    status = answer.status
    if reason := reason_of(answer, provider):
        return Verdict(reason.means, status, reason.name, trace=_trace(answer, reason.name), reason=reason)
    code: FailureCode = "unavailable" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _STATUS.get(status, "rejected")
    if status == HTTPStatus.FORBIDDEN and is_limit(answer, provider.rate):
        code = "rate_limited"  # GitHub answers 403 or 429 for the same thing
    named: frozenset[str] = frozenset()
    if code == "forbidden" and provider.answers.accepted:
        named = _accepted(answer.headers.get(provider.answers.accepted, ""))
    fields = look(answer.body, "errors")
    told = [
        (str(entry.get("field")), str(entry.get("code")))
        for entry in (fields if isinstance(fields, list) else [])
        if isinstance(entry, dict) and entry.get("code") in _FIELD_CODES
    ]
    page = documentation(answer, provider)
    return Verdict(code, status, word, named, tuple(told), trace=_trace(answer, page), page=page)


def reason_of(answer: Answer, provider: Provider) -> Reason | None:
    """The one of its listed reasons that a refusal is for."""
    return next((one for one in provider.reasons if one.is_of(answer.status, answer.headers, answer.body)), None)


def documentation(answer: Answer, provider: Provider) -> str:
    """Which of the provider's pages a refusal points to, as the bounded rest of its address; empty if none."""
    pattern, page = provider.answers.documentation, look(answer.body, "documentation_url")
    found = re.fullmatch(pattern, page) if pattern and isinstance(page, str) else None
    return found[1] if found else ""


def _accepted(header: str) -> frozenset[str]:
    """The first way in of ``pull_requests=read,contents=read; issues=read``: comma is and, semicolon is or."""
    first = header.partition(";")[0]
    pairs = (part.strip().partition("=") for part in first.split(",") if "=" in part)
    return frozenset(
        f"{name}:{level}" for name, _, level in pairs if re.fullmatch(r"[a-z_]+:[a-z]+", f"{name}:{level}")
    )


def _by_ok_field(answer: Answer, provider: Provider) -> Verdict | None:
    ok = look(answer.body, "ok")
    if answer.status >= HTTPStatus.BAD_REQUEST and ok is not False:
        return _by_status(answer, provider)
    if ok is True:
        return None
    said = look(answer.body, "error")
    word = _identifier(said, provider)
    known = provider.means(word)
    code = known or ("rejected" if said else "unavailable")
    needed = look(answer.body, "needed") if code == "scope_missing" else None
    named = frozenset(part.strip() for part in needed.split(",")) if isinstance(needed, str) else frozenset[str]()
    return Verdict(
        code,
        answer.status,
        word,
        _plain(named),
        known=known is not None or not word,
        trace=_trace(answer, said),
        reason=provider.reason(provider.errors.get(word, "")),
    )


def _by_graphql_errors(answer: Answer, provider: Provider) -> Verdict | None:
    errors = look(answer.body, "errors")
    if not isinstance(errors, list) or not errors:
        return _by_status(answer, provider) if answer.status >= HTTPStatus.BAD_REQUEST else None
    first = errors[0] if isinstance(errors[0], dict) else {}
    said = [look(first, "extensions.code"), look(first, "extensions.type")]
    words = [word for one in said if (word := _identifier(one, provider))]
    word = next((one for one in words if provider.means(one)), words[0] if words else "")
    known, reason = provider.means(word), reason_of(answer, provider) or provider.reason(provider.errors.get(word, ""))
    code = reason.means if reason else known or _by_status(answer, provider).code
    # GraphQL answers 200 also where something failed half way; only what we know says that nothing was done.
    unsure = not known and not reason and answer.status < HTTPStatus.BAD_REQUEST
    message = first.get("message")
    message = message if isinstance(message, str) else ""
    answers, named = provider.answers, frozenset[str]()
    scope = re.fullmatch(answers.scope_message, message) if answers.scope_message else None
    if scope:
        code, named, unsure, reason = "scope_missing", _plain(frozenset({scope[1]})), False, None
    elif answers.not_found_message and re.fullmatch(answers.not_found_message, message):
        code, unsure, reason = "not_found", False, None
    return Verdict(
        code,
        answer.status,
        word,
        named,
        known=known is not None or not word,
        trace=_trace(answer, *said),
        reason=reason,
        unsure=unsure,
    )


def _identifier(said: Any, provider: Provider) -> str:
    """An error word as it may be repeated to anybody: one of our list, or of a form in which nobody writes prose."""
    word = said if isinstance(said, str) else ""
    return word if word in provider.errors or re.fullmatch(r"[a-z_]{1,60}|[A-Z_]{1,60}", word) else ""


def _plain(named: frozenset[str]) -> frozenset[str]:
    return frozenset(name for name in named if re.fullmatch(r"[A-Za-z:_.]{1,60}", name))


def _trace(answer: Answer, *said: Any) -> str:
    request = str(answer.headers.get("x-github-request-id") or answer.headers.get("x-request-id") or "")[:60]
    words = " ".join(ascii(word)[:120] for word in said if word)
    return f"status {answer.status} {words} request {request}".strip()
