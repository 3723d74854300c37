"""The person at the browser: walks the very pages a human would, over HTTP, at the sandbox only.

It fills forms and presses buttons; it has no way into any server but the pages. Every address it is about
to open, redirects included, is checked first: loopback, and either the sandbox or the loaner it was given.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Literal, Self
from urllib.parse import urljoin, urlsplit

import httpx2

from loaner.sandbox import pages
from loaner.sandbox.pages import Button, Form, Page

State = Literal["approved", "denied", "expired", "used", "failed", "wrong_person", "unknown", "pending"]

PATIENCE_SECONDS = 20.0
"""How long to wait for loaner to notice what was done at the provider."""
_PAUSE_SECONDS = 0.25
_MOST_STEPS = 40

_ENDS: dict[str, State] = {
    "approved": "approved",
    "denied": "denied",
    "expired": "expired",
    "used": "used",
    "failed": "failed",
    "wrong_person": "wrong_person",
}
_YES = frozenset({"approve", "allow", "authorize", "continue", "confirm", "accept", "yes"})
_NO = frozenset({"deny", "cancel", "decline", "reject", "refuse", "no"})
_CODE_FIELDS = ("user_code", "user-code", "code")
_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""All is plain HTTP here; a context that trusts nobody is quick to make and the safe one."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class NotTheSandbox(Exception):
    """A page led away from the sandbox; nothing was sent there."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        # Without path and query, which may carry codes.
        super().__init__(f"not the sandbox: {parts.scheme}://{parts.netloc}")


class Lost(Exception):
    """A page that this person does not know how to go on from."""


@dataclass(frozen=True)
class Outcome:
    """How it ended. ``unknown`` means that nobody here knows the code; ``pending`` that time ran out."""

    state: State
    pages: tuple[str, ...]
    """The pages seen, as origin and path."""

    def __bool__(self) -> bool:
        return self.state == "approved"


class Person:
    """Somebody with an account at every emulated provider, known there by ``login``.

    Raises:
        NotTheSandbox: when ``sandbox_url`` is not a loopback address.
    """

    def __init__(
        self,
        login: str,
        sandbox_url: str,
        *,
        patience: float = PATIENCE_SECONDS,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.login = login
        self._sandbox_url = sandbox_url.rstrip("/")
        self._patience = patience
        self._pause = pause
        # Browsers keep and send Secure cookies on loopback although it is plain HTTP.
        self._cookies = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
        _origin(sandbox_url)

    def approve(
        self,
        code: str,
        *,
        loaner_url: str | None = None,
        deny: bool = False,
        choose: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Say yes (or no) to what a code, or the address of a consent page, stands for.

        A code is tried at loaner's ``/device`` first, then as one of GitHub's own. ``choose`` names what to pick
        where a page offers a choice; elsewhere the page's own default stands.

        Raises:
            NotTheSandbox: before anything outside of the sandbox and loaner is opened.
            Lost: at a page with no form, button or state that can be made out.
        """
        if "://" in code:
            return self.visit(code, loaner_url=loaner_url, deny=deny, choose=choose)
        with self._walk(code, loaner_url, deny=deny, choose=choose) as walk:
            if loaner_url is not None:
                outcome = walk.from_page(f"{loaner_url.rstrip('/')}/device")
                if outcome.state != "unknown":
                    return outcome
            return walk.from_page(self._device_page)

    @property
    def _device_page(self) -> str:
        return f"{self._sandbox_url}/github/login/device"

    def visit(
        self, url: str, *, loaner_url: str | None = None, deny: bool = False, choose: Mapping[str, str] | None = None
    ) -> Outcome:
        """Open any page and go on to its end, signing in and agreeing on the way: a sign-in link, say."""
        with self._walk("", loaner_url, deny=deny, choose=choose) as walk:
            return walk.from_page(url)

    def _walk(self, code: str, loaner_url: str | None, *, deny: bool, choose: Mapping[str, str] | None) -> _Walk:
        origins = {_origin(url) for url in (self._sandbox_url, loaner_url) if url}
        client = httpx2.Client(
            cookies=self._cookies, follow_redirects=False, timeout=10, trust_env=False, verify=_NO_AUTHORITIES
        )
        plan = _Plan(self.login, code, deny, dict(choose or {}), self._device_page)
        return _Walk(client, plan, origins, patience=self._patience, pause=self._pause)


@dataclass
class _Plan:
    """What this person came to do."""

    login: str
    code: str
    deny: bool
    choose: Mapping[str, str]
    device_page: str
    """Where a code is typed that no link leads to: people know their provider."""

    def picked(self, form: Form) -> dict[str, str]:
        """What to choose in this form, of what it offers."""
        return {name: value for name, value in self.choose.items() if value in form.choices.get(name, ())}


@dataclass
class _Leg:
    """What was done so far between one site's first page and its last."""

    typed: bool = False
    pressed: bool = False
    been_at_provider: bool = False
    signed_in_at: set[str] = field(default_factory=set)

    def waits_at(self, page: Page) -> bool:
        """A page that renews itself, and asks for nothing that is not done yet."""
        renews = page.refreshes or page.state in {"pending", "provider"}
        return renews and (self.been_at_provider or not (page.provider_code or _asking(page)))


class _Walk:
    """One way through the pages, from a first one to the last."""

    def __init__(
        self,
        client: httpx2.Client,
        plan: _Plan,
        origins: set[tuple[str, int]],
        *,
        patience: float,
        pause: Callable[[float], None],
    ) -> None:
        self._client = client
        self._plan = plan
        self._origins = origins
        self._left = patience
        self._pause = pause
        self._steps = 0
        self._seen: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def from_page(self, url: str) -> Outcome:
        """Go on until a page declares its end, or offers nothing more."""
        page, leg = self._open("GET", url), _Leg()
        while (state := self._end(page, leg)) is None:
            page = self._next(page, leg)
        return Outcome(state, tuple(self._seen))

    def _end(self, page: Page, leg: _Leg) -> State | None:
        if page.state in _ENDS:
            return _ENDS[page.state]
        if leg.typed and _form_with(page, _CODE_FIELDS):
            return "unknown"
        if leg.waits_at(page):
            return "pending" if self._left <= 0 else None
        if page.provider_code or _asking(page) or _form_with(page, ("login", *_CODE_FIELDS)):
            return None
        if leg.pressed and not page.state:
            # A provider's last page declares nothing: what was pressed before it is what happened.
            agreed: State = "denied" if self._plan.deny else "approved"
            return "failed" if page.status >= httpx2.codes.BAD_REQUEST else agreed
        if leg.typed and not leg.pressed:
            return "unknown"
        raise Lost(f"nothing to do at {_path(page.url)} (status {page.status}, state {page.state!r})")

    def _next(self, page: Page, leg: _Leg) -> Page:
        if page.provider_code and not leg.been_at_provider:
            leg.been_at_provider = True
            self._plan.code = page.provider_code
            self.from_page(page.provider_link or self._plan.device_page)
            return self._open("GET", page.url)
        if leg.waits_at(page):
            self._left -= _PAUSE_SECONDS
            self._steps = 0
            self._pause(_PAUSE_SECONDS)
            return self._open("GET", page.url)
        if form := _form_with(page, ("login",)):
            if form.action in leg.signed_in_at:
                raise Lost(f"nobody is called {self._plan.login!r} at {_path(form.action)}")
            leg.signed_in_at.add(form.action)
            leg.typed = False  # a code typed before signing in may have to be typed again
            return self._submit(page, form, {"login": self._plan.login})
        if form := _form_with(page, _CODE_FIELDS):
            leg.typed = True
            # A link may have brought the code along, and then there is nothing to type.
            typed = {name: self._plan.code or form.fields[name] for name in _names(form, _CODE_FIELDS)}
            return self._submit(page, form, typed)
        form = _asking(page)
        assert form is not None  # noqa: S101 - else this page would have been the end
        leg.pressed = True
        # A page that only says "continue" leaves no choice: the question comes after it.
        button = _pick(form, _NO if self._plan.deny else _YES) or _pick(form, _YES)
        if button is None or (self._plan.deny and button.says(_YES) and len(form.buttons) > 1):
            raise Lost(f"no button says {'no' if self._plan.deny else 'yes'}: {[each.text for each in form.buttons]}")
        typed = {"target": page.target} if page.target else {}
        return self._submit(page, form, typed | self._plan.picked(form), button)

    def _submit(self, page: Page, form: Form, typed: dict[str, str], button: Button | None = None) -> Page:
        button = button or _pick(form, _YES) or next(iter(form.buttons), None)
        sent = form.fields | typed | ({button.name: button.value} if button and button.name else {})
        return self._open(form.method.upper(), form.action, sent, origin=page.url)

    def _open(self, method: str, url: str, form: dict[str, str] | None = None, *, origin: str = "") -> Page:
        while True:
            self._steps += 1
            if _origin(url) not in self._origins:
                raise NotTheSandbox(url)
            # Waiting re-opens the same page often and is bounded by patience, not by this.
            if self._steps > _MOST_STEPS:
                raise Lost(f"going in circles at {_path(url)}")
            self._note(url)
            if method == "GET":
                answer = self._client.get(url, params=form) if form else self._client.get(url)
            else:
                # The Origin header is what browsers send and what a page may check a form by.
                headers = {"origin": "{0.scheme}://{0.netloc}".format(urlsplit(origin))}
                answer = self._client.post(url, data=form or {}, headers=headers)
            if not answer.has_redirect_location:
                return pages.read(str(answer.url), answer.status_code, answer.text)
            url = urljoin(str(answer.url), answer.headers["location"])
            if answer.status_code not in {307, 308}:
                method, form = "GET", None

    def _note(self, url: str) -> None:
        if not self._seen or self._seen[-1] != _path(url):
            self._seen.append(_path(url))


def _form_with(page: Page, names: tuple[str, ...]) -> Form | None:
    return next((form for form in page.forms if _names(form, names)), None)


def _asking(page: Page) -> Form | None:
    """The form that wants a yes or a no; others, such as signing out, are none of this person's business."""
    return next((form for form in page.forms if _pick(form, _YES) or _pick(form, _NO)), None)


def _pick(form: Form, words: frozenset[str]) -> Button | None:
    return next((button for button in form.buttons if button.says(words)), None)


def _names(form: Form, names: tuple[str, ...]) -> list[str]:
    return [name for name in form.typed if name in names]


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _origin(url: str) -> tuple[str, int]:
    """Where an address leads, with the names of loopback made one.

    Raises:
        NotTheSandbox: for anything but plain HTTP on loopback.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError as error:
        raise NotTheSandbox("") from error
    if parts.scheme != "http" or host not in _LOOPBACK or "@" in parts.netloc:
        raise NotTheSandbox(url)
    return "loopback", port
