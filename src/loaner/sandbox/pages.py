"""Reading a web page the way a person without JavaScript does: its forms, its buttons, and what it shows.

Nothing here depends on wording: a page is known by the names of its fields and a few marked elements.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin


@dataclass(frozen=True)
class Button:
    """One way to submit a form. ``name`` is empty for a button that sends nothing of its own."""

    name: str
    value: str
    text: str

    def says(self, words: frozenset[str]) -> bool:
        return self.value.strip().lower() in words or self.text.strip().lower() in words


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    typed: list[str] = field(default_factory=list)
    """Names of the fields a person types into."""
    choices: dict[str, list[str]] = field(default_factory=dict)
    """What each radio group or list offers."""
    buttons: list[Button] = field(default_factory=list)


@dataclass
class Page:
    """One answer, read. ``state`` is what ``<main data-state>`` declares, ``""`` where there is none."""

    url: str
    status: int
    forms: list[Form] = field(default_factory=list)
    state: str = ""
    provider_code: str = ""
    provider_link: str = ""
    target: str = ""
    """What a person has to type before something is destroyed."""
    refreshes: bool = False


def read(url: str, status: int, html: str) -> Page:
    reader = _Reader(url, status)
    reader.feed(html)
    reader.close()
    return reader.page


_TYPED = frozenset({"text", "search", "email", "tel", "password", "url", "number"})
_PRESSED = frozenset({"submit", "image"})


class _Reader(HTMLParser):
    def __init__(self, url: str, status: int) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page(url, status)
        self._form: Form | None = None
        self._button: dict[str, str] | None = None
        self._text: list[str] = []
        self._in_code = ""
        self._select = ""
        self._named: dict[str, Form] = {}
        self._elsewhere: list[tuple[str, Button]] = []
        """Buttons outside of the form that they submit, with its ``id``, which may come later."""

    def close(self) -> None:
        super().close()
        for name, button in self._elsewhere:
            if name in self._named:
                self._named[name].buttons.append(button)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        match tag:
            case "form":
                action = urljoin(self.page.url, given.get("action", ""))
                self._form = Form(action, given.get("method", "get").lower())
                self.page.forms.append(self._form)
                self._named[given.get("id", "")] = self._form
            case "input" if self._form is not None:
                self._input(self._form, given)
            case "select" if self._form is not None and given.get("name"):
                self._select = given["name"]
            case "option" if self._form is not None and self._select:
                self._option(self._form, given)
            case "button" if given.get("type", "submit").lower() == "submit":
                self._button, self._text = given, []
            case "main":
                self.page.state = given.get("data-state", "")
            case "meta" if given.get("http-equiv", "").lower() == "refresh":
                self.page.refreshes = True
            case "code" if given.get("id") in {"provider-code", "target-name"}:
                self._in_code, self._text = given["id"], []
            case "a" if given.get("id") == "provider-link":
                self.page.provider_link = urljoin(self.page.url, given.get("href", ""))
            case _:
                pass

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "button" and self._button is not None:
            given, self._button = self._button, None
            button = Button(given.get("name", ""), given.get("value", ""), "".join(self._text))
            if "form" in given:
                self._elsewhere.append((given["form"], button))
            elif self._form is not None:
                self._form.buttons.append(button)
        elif tag == "code" and self._in_code:
            told = "".join(self._text).strip()
            if self._in_code == "target-name":
                self.page.target = told
            else:
                self.page.provider_code = told
            self._in_code = ""

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    def _option(self, form: Form, given: dict[str, str]) -> None:
        offered = form.choices.setdefault(self._select, [])
        offered.append(given.get("value", ""))
        if "selected" in given or len(offered) == 1:
            form.fields[self._select] = offered[-1]

    @staticmethod
    def _input(form: Form, given: dict[str, str]) -> None:
        kind, name, value = given.get("type", "text").lower(), given.get("name", ""), given.get("value", "")
        if kind in _PRESSED:
            form.buttons.append(Button(name, value, value))
        elif not name or "disabled" in given:
            return
        elif kind in {"checkbox", "radio"}:
            if kind == "radio":
                form.choices.setdefault(name, []).append(value)
            if "checked" in given:
                form.fields[name] = value or "on"
        else:
            form.fields[name] = value
            if kind in _TYPED:
                form.typed.append(name)
