"""Code-scanning alerts (``security_events: read``) and secret-scanning alerts (``secret_scanning_alerts: read``).

GitHub docs, REST API "Code scanning" and "Secret scanning". The second are shown to those who administer the
repository, with the literal secret unless ``hide_secret`` is said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from loaner.sandbox.github.alerts import CodeAlert, SecretAlert
from loaner.sandbox.github.call import Call
from loaner.sandbox.github.errors import ApiError, not_found
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes import alerts as shapes
from loaner.sandbox.github.shapes.basics import Json

_Alert = TypeVar("_Alert", CodeAlert, SecretAlert)
_CODE = "/repos/{owner}/{repo}/code-scanning/alerts"
_SECRET = "/repos/{owner}/{repo}/secret-scanning/alerts"  # noqa: S105 - a path


@operation(f"GET {_CODE}")
def list_code_alerts(call: Call) -> list[Json]:
    alerts, query, branch = _code(call), call.query, call.repo.default_branch
    if not alerts:
        raise ApiError(404, "no analysis found")
    ref = query.get("ref", branch).removeprefix("refs/heads/")
    found = [
        each
        for each in alerts
        if query.get("state", each.state) == each.state
        and query.get("tool_name", each.tool) == each.tool
        and ref == branch
    ]
    return [shapes.code_alert(call.urls, call.repo, each) for each in call.page(_sorted(call, found))]


@operation(f"GET {_CODE}/{{alert_number}}")
def get_code_alert(call: Call) -> Json:
    return shapes.whole_code_alert(call.urls, call.repo, _numbered(call, _code(call)))


@operation(f"GET {_SECRET}")
def list_secret_alerts(call: Call) -> list[Json]:
    found = [
        each
        for each in _secrets(call)
        if call.query.get("state", each.state) == each.state
        and _is_among(call, "secret_type", each.kind)
        and _is_among(call, "resolution", each.resolution)
        and _is_among(call, "validity", each.validity)
    ]
    hidden = _is_hidden(call)
    return [shapes.secret_alert(call.urls, call.repo, each, hidden=hidden) for each in call.page(_sorted(call, found))]


@operation(f"GET {_SECRET}/{{alert_number}}")
def get_secret_alert(call: Call) -> Json:
    alert = _numbered(call, _secrets(call))
    return shapes.secret_alert(call.urls, call.repo, alert, hidden=_is_hidden(call))


@operation(f"GET {_SECRET}/{{alert_number}}/locations")
def list_locations(call: Call) -> list[Json]:
    alert = _numbered(call, _secrets(call))
    return [shapes.location(call.urls, call.repo, each) for each in call.page([alert])]


def _code(call: Call) -> list[CodeAlert]:
    if call.repo.alerts.code is None:
        raise ApiError(403, "Code scanning is not enabled for this repository. Please enable it in the settings.")
    return call.repo.alerts.code


def _secrets(call: Call) -> list[SecretAlert]:
    if call.login is not None and call.role != "admin":
        raise not_found()
    if call.repo.alerts.secrets is None:
        raise ApiError(404, "Secret scanning is disabled on this repository.")
    return call.repo.alerts.secrets


def _numbered(call: Call, alerts: Sequence[_Alert]) -> _Alert:
    wanted = call.number("alert_number")
    found = next((each for each in alerts if each.number == wanted), None)
    if found is None:
        raise not_found()
    return found


def _sorted(call: Call, alerts: Sequence[_Alert]) -> list[_Alert]:
    key: Callable[[_Alert], tuple[float, int]] = lambda each: (each.at.timestamp(), each.number)  # noqa: E731
    return sorted(alerts, key=key, reverse=call.query.get("direction", "desc") != "asc")


def _is_among(call: Call, name: str, value: str | None) -> bool:
    wanted = call.query.get(name)
    return wanted is None or value in wanted.split(",")


def _is_hidden(call: Call) -> bool:
    return call.query.get("hide_secret") == "true"
