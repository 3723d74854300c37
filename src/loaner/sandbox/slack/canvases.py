"""``canvases.create`` (docs.slack.dev/reference/methods/canvases.create)."""

from __future__ import annotations

from loaner.sandbox.slack.call import Call
from loaner.sandbox.slack.errors import SlackError
from loaner.sandbox.slack.shapes import Json
from loaner.sandbox.slack.state import Canvas


def create(call: Call) -> Json:
    content = call.args.structure("document_content")
    markdown = ""
    if content is not None:
        if not isinstance(content, dict) or content.get("type") != "markdown":
            raise SlackError("canvas_creation_failed")
        markdown = str(content.get("markdown", ""))
    channel = call.args.text("channel_id") or None
    if channel is not None:
        place = call.state.conversations.get(channel)
        if place is None or call.user.id not in place.members:
            raise SlackError("restricted_action")
    made = Canvas(call.state.new_id("F"), call.user.id, call.args.text("title"), markdown, channel)
    call.state.canvases[made.id] = made
    return {"canvas_id": made.id}
