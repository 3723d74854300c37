"""People (docs.slack.dev/reference/methods/users.info)."""

from __future__ import annotations

from loaner.sandbox.slack import shapes
from loaner.sandbox.slack.call import Call
from loaner.sandbox.slack.errors import SlackError
from loaner.sandbox.slack.paging import page
from loaner.sandbox.slack.shapes import Json


def info(call: Call) -> Json:
    person = call.state.members.get(call.args.needed("user"))
    if person is None:
        raise SlackError("user_not_found")
    return {"user": shapes.member(person, email="users:read.email" in call.scopes)}


def list_(call: Call) -> Json:
    """Everybody of the workspace, page by page; all at once where no ``limit`` is given."""
    call.in_workspace()
    everybody = list(call.state.members.values())
    limit = call.args.integer("limit", 0) or max(1, len(everybody))
    shown, cursor = page(everybody, lambda person: person.id, cursor=call.args.text("cursor"), limit=limit)
    return {
        "members": [shapes.member(person, email="users:read.email" in call.scopes) for person in shown],
        "cache_ts": int(call.state.now().timestamp()),
        "response_metadata": {"next_cursor": cursor},
    }


def by_email(call: Call) -> Json:
    address = call.args.needed("email").lower()
    person = next((member for member in call.state.members.values() if member.email.lower() == address), None)
    if person is None:
        raise SlackError("users_not_found")
    return {"user": shapes.member(person, email=True)}
