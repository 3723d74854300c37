"""Rendering: templates, the marks that make hidden characters visible, and plain answers."""

from __future__ import annotations

import secrets
import unicodedata
from http import HTTPStatus
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, RedirectResponse, Response

from loaner.consent.codes import ALPHABET

_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})
_JOINER = "\u200d"
_LONGEST = 20_000
"""Characters of a single value that are shown; a page that never ends cannot be read either."""


class Page(HTMLResponse):
    """A rendered page. ``form_action`` lists where its forms may lead."""

    form_action = "'self'"
    scripts = ""
    """Where scripts may come from: nowhere, but on the pages that speak to an authenticator."""


def seen(text: object) -> Markup:
    """Text as it really is: characters that hide or reorder others stand as ``U+202E`` (UAX #9, "Trojan Source")."""
    given = str(text)
    parts = [
        Markup('<span class="hidden-char">{}</span>').format(f"U+{ord(letter):04X}")
        if _is_hiding(given, place)
        else escape(letter)
        for place, letter in enumerate(given[:_LONGEST])
    ]
    if len(given) > _LONGEST:
        parts.append(Markup('<span class="hidden-char">{} more characters</span>').format(len(given) - _LONGEST))
    return Markup("<bdi>{}</bdi>").format(Markup("").join(parts))


def plain(text: object) -> str:
    """The same without markup, for a window's title."""
    given = str(text)
    return "".join(f"U+{ord(one):04X}" if _is_hiding(given, at) else one for at, one in enumerate(given))


def _is_hiding(text: str, place: int) -> bool:
    letter = text[place]
    if letter in "\n\t" or unicodedata.category(letter) not in _HIDDEN:
        return False
    # A joiner inside an emoji hides nothing.
    around = text[max(place - 1, 0) : place] + text[place + 1 : place + 2]
    return not (letter == _JOINER and any(unicodedata.category(one) == "So" for one in around))


_templates = Environment(
    loader=PackageLoader("loaner.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {"seen": seen, "plain": plain}


def render(
    template: str, *, status: int = HTTPStatus.OK, form_action: str | None = None, scripts: str = "", **values: Any
) -> Page:
    page = Page(_templates.get_template(template).render(**values), status_code=status)
    if form_action:
        page.form_action = form_action
    page.scripts = scripts
    return page


def error(status: HTTPStatus, words: str, do: str = "") -> Page:
    return render("error.html", status=status, words=words, do=do)


def see_other(url: str) -> Response:
    """303 and never 307, which would send a form on to the other place (RFC 9700 §4.12)."""
    return RedirectResponse(url, status_code=HTTPStatus.SEE_OTHER)


def reference() -> str:
    """A short name by which an operator finds the log line."""
    return "ref " + "".join(secrets.choice(ALPHABET) for _ in range(6))
