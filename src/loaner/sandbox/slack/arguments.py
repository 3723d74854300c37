"""Reading the arguments of a Web API call: query, form or JSON (docs.slack.dev/apis/web-api/#basics)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from starlette.requests import Request

from loaner.sandbox.slack.errors import SlackError, missing_argument

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(frozen=True)
class Arguments:
    """The arguments as sent. Forms carry text only, JSON its own types; both read the same here."""

    values: dict[str, object]

    def text(self, name: str, default: str = "") -> str:
        value = self.values.get(name)
        if value is None:
            return default
        return value if isinstance(value, str) else json.dumps(value)

    def needed(self, name: str) -> str:
        """A required argument, or ``invalid_arguments`` naming it."""
        value = self.text(name)
        if not value:
            raise missing_argument(name)
        return value

    def integer(self, name: str, default: int, *, error: str = "invalid_arguments") -> int:
        value = self.text(name)
        if not value:
            return default
        try:
            return int(value)
        except ValueError as wrong:
            raise SlackError(error) from wrong

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.text(name).lower()
        return value in {"1", "true"} if value else default

    def items(self, name: str, default: tuple[str, ...] = ()) -> list[str]:
        """A list, written with commas or as a JSON array."""
        value = self.values.get(name)
        if value is None or value == "":
            return list(default)
        if isinstance(value, str):
            value = json_value(value, name) if value.startswith("[") else value.split(",")
        if not isinstance(value, list):
            raise SlackError("invalid_array_arg")
        return [str(item).strip() for item in value if str(item).strip()]

    def structure(self, name: str) -> object | None:
        """A nested value: JSON text in a form, itself in a JSON body."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        return json_value(value, name) if isinstance(value, str) else value


def json_value(text: str, name: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise SlackError("invalid_arguments", response_metadata={"messages": [f"[ERROR] {name}"]}) from error
    return value


async def read(request: Request, *, accepts_json: bool) -> tuple[Arguments, str]:
    """The arguments, and the token if it came as a form field (``""`` otherwise).

    A token in a query string or in a JSON body is not read: Slack takes it from the ``Authorization``
    header or, for forms, from the field ``token``.
    """
    values: dict[str, object] = {key: value for key, value in request.query_params.items() if key != "token"}
    if request.method == "GET":
        return Arguments(values), ""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind in _FORMS:
        form = await request.form()
        fields = {key: value for key, value in form.items() if isinstance(value, str)}
        token = fields.pop("token", "")
        return Arguments(values | fields), token
    if kind == "application/json" and accepts_json:
        body = await request.body()
        try:
            sent: object = json.loads(body or b"{}")
        except ValueError as error:
            raise SlackError("invalid_json") from error
        if not isinstance(sent, dict):
            raise SlackError("json_not_object")
        sent.pop("token", None)
        return Arguments(values | sent), ""
    return Arguments(values), ""


def bearer(request: Request) -> str:
    """The token in the header; empty where there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
