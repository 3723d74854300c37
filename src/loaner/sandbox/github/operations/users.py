"""The person behind the token."""

from __future__ import annotations

from loaner.sandbox.github.call import Answer, Call
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes.basics import Json, public_user
from loaner.sandbox.github.shapes.repositories import repository


@operation("GET /user", installation=False)
def get_authenticated(call: Call) -> Json:
    return public_user(call.urls, call.actor, min(each.created_at for each in call.hub.world.repositories.values()))


@operation("GET /user/repos")
def list_repositories(call: Call) -> Answer:
    """What person, app and token all reach."""
    found = sorted(call.reached(), key=lambda each: each.full_name)
    shown = [repository(call.urls, each, call.role_on(each)) for each in call.page(found)]
    left_out = {"X-GitHub-SSO": "partial-results; organizations=1002"}
    return Answer(shown, headers=left_out if call.hub.sandbox.switches.github_sso_left_out else {})
