"""Rendering: templates, the marks that make hidden characters visible, and plain answers."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, RedirectResponse, Response

from loaner.catalog.mention import Mention
from loaner.catalog.mentions import parted
from loaner.characters import marked, pieces
from loaner.web import texts


class Page(HTMLResponse):
    """A rendered page. ``form_action`` lists where its forms may lead."""

    form_action = "'self'"
    scripts = ""
    """Where scripts may come from: nowhere, but on the pages that speak to an authenticator."""


def seen(text: object) -> Markup:
    """One line as it really is: what would not be seen stands as ``U+202E``."""
    return Markup("<bdi>{}</bdi>").format(_spans(str(text)))


def written(text: object, mentions: Iterable[Mention] = ()) -> Markup:
    """A text that is written somewhere, with its line breaks. Whatever in it notifies somebody is marked."""
    parts = (
        Markup("<mark>{}</mark>").format(_spans(part, prose=True)) if notifies else _spans(part, prose=True)
        for part, notifies in parted(str(text), mentions)
    )
    return Markup("<bdi>{}</bdi>").format(Markup("").join(parts))


def _spans(text: str, *, prose: bool = False) -> Markup:
    return Markup("").join(
        Markup('<span class="hidden-char">{}</span>').format(piece) if is_mark else escape(piece)
        for piece, is_mark in pieces(text, prose=prose)
    )


def _shown(value: Any) -> Any:
    return value if isinstance(value, Markup) else marked(str(value), prose=True)


_templates = Environment(
    loader=PackageLoader("loaner.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=_shown,  # what no filter has marked is marked here, so that no page can forget it
)
_templates.filters |= {"seen": seen, "plain": marked, "written": written, "whose": texts.whose}


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
