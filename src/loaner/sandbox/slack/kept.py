"""Being in a channel, and closing it (docs.slack.dev/reference/methods/conversations.join, .archive, .unarchive)."""

from __future__ import annotations

from loaner.sandbox.slack import shapes
from loaner.sandbox.slack.call import Call
from loaner.sandbox.slack.errors import SlackError
from loaner.sandbox.slack.shapes import Json


def join(call: Call) -> Json:
    """Anybody joins a public channel. One who is in it already is told so, and that is no error."""
    found = call.conversation()
    if found.kind != "public_channel":
        raise SlackError("method_not_supported_for_channel_type")
    if found.archived:
        raise SlackError("is_archived")
    if call.user.id in found.members:
        told: Json = {"warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
        return {"channel": shapes.channel(found, call.user.id)} | told
    found.members.append(call.user.id)
    return {"channel": shapes.channel(found, call.user.id)}


def archive(call: Call) -> Json:
    found = call.joined()
    if found.name == "general":
        raise SlackError("cant_archive_general")
    if found.archived:
        raise SlackError("already_archived")
    found.archived = True
    return {}


def unarchive(call: Call) -> Json:
    """Whoever does it is in the channel afterwards."""
    found = call.conversation()
    if not found.archived:
        raise SlackError("not_archived")
    found.archived = False
    if call.user.id not in found.members:
        found.members.append(call.user.id)
    return {}
