"""What comes of a call: its answers, step by step, and what the agent gets of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loaner.catalog import BoundCall, cursor
from loaner.catalog.result import look
from loaner.catalog.shape import Shaper
from loaner.catalog.step import Step
from loaner.provider_call.transport import Answer

_SIGN_IN = "Some organisations are left out until the user signs in there with their own identity provider (SAML)."
_NEXT = re.compile(r'<([^<>]+)>\s*;[^,<]*\brel="?next"?')


@dataclass(frozen=True)
class Reply:
    """What the agent gets: lean, and fitting the tool's output schema."""

    payload: dict[str, Any]
    status: int
    """Of the last answer."""
    truncated: bool = False
    reached: str = ""
    """The provider's id of what the call reached, where the answer says it."""

    def of_account(self, within: tuple[str, ...], left_out: tuple[tuple[str, str], ...]) -> Reply:
        """With the account that a call about no one repository was about, and those that it was not about, and why."""
        accounts = [{"account": name, "why": why} for name, why in left_out]
        said: dict[str, Any] = {"account": within[0].partition("/")[0]}
        if accounts:
            advice = f"{self.payload.get('advice', '')} To read on another account, name it as account.".strip()
            said |= {"accounts_left_out": accounts, "advice": advice}
        return replace(self, payload=self.payload | said)

    def of_agreed(self, agreed: int) -> Reply:
        """With how many of the repositories that the person agreed to a limited search was not about."""
        missing = agreed - len(self.payload.get("limited_to", ()))
        if not agreed or missing <= 0:
            return self
        told = f"{self.payload['advice']} not_searched: so many repositories that they agreed to are not in this."
        return replace(self, payload=self.payload | {"not_searched": missing, "advice": told})


def _after(this: Any, last: Any) -> int | None:
    """The number of the next page."""
    numbers = [one for one in (this, last) if isinstance(one, int) and not isinstance(one, bool)]
    return numbers[0] + 1 if len(numbers) == 2 and numbers[0] < numbers[1] else None  # noqa: PLR2004 - both


@dataclass
class Received:
    """What the steps of one call brought."""

    bound: BoundCall
    document: Any = None
    named: dict[str, Any] = field(default_factory=dict)
    mark: str | int | None = None
    already: bool = False
    """What was asked for was so before."""
    note: str = ""
    partial: bool = False
    """It leaves out what the user has to sign in for first."""
    """Why there is nothing, where that is no failure."""

    def keep(self, step: Step, body: Any) -> None:
        if step.name:
            self.named[step.name] = body
        elif step.answer != "none" or self.document is None:
            self.document = body

    def page(self, step: Step, answer: Answer) -> None:
        page = self.bound.operation.page
        if page is None or not any(value.param == "cursor" for value in step.placed()):
            return
        if page.next == "link":
            link = _NEXT.search(str(answer.headers.get("link", "")))
            number = parse_qs(urlsplit(link[1]).query).get("page", [""])[0] if link else ""
            self.mark = int(number) if number.isascii() and number.isdigit() else None
            return
        body = look(answer.body, "data") if step.graphql else answer.body
        if page.last is not None:
            self.mark = _after(look(body, page.next), look(body, page.last))
        elif page.more is None or look(body, page.more) is True:
            self.mark = look(body, page.next)

    @property
    def complete(self) -> bool:
        """All there is stands on this page."""
        return not self.mark and "cursor" not in self.bound.arguments

    def payload(self, shaper: Shaper, limited_to: list[str]) -> dict[str, Any]:
        """What the agent gets. ``limited_to``: the repositories that a search of all was limited to."""
        operation, result = self.bound.operation, self.bound.operation.result
        payload = shaper.fields(self.whole, result.keep) | dict(result.say)
        if self.note:
            payload["note"] = self.note
        if self.partial and operation.rule.account:
            payload |= {"partial": True, "advice": _SIGN_IN}
        if self.already:
            payload["already"] = True
        if isinstance(self.mark, str | int) and self.mark:
            payload["next_cursor"] = cursor.encode(operation.tool, self.mark)
        if shaper.truncated:
            payload["truncated"] = True
        if shaper.continue_from is not None:
            payload["continue_from"] = shaper.continue_from
        if limited_to:
            payload["limited_to"] = limited_to
            payload["advice"] = "The user has not agreed to more. To read elsewhere, name that place: they are asked."
        if shaper.left_out:
            payload["left_out"] = shaper.left_out
        return payload

    @property
    def whole(self) -> Any:
        """The document, with the answers that have a name."""
        if not self.named:
            return self.document
        return (self.document if isinstance(self.document, dict) else {}) | self.named
