"""What a channel keeps at its top: pinned messages and bookmarks (docs.slack.dev/reference/methods/pins.add)."""

from __future__ import annotations

import re

from loaner.sandbox.slack import shapes
from loaner.sandbox.slack.call import Call
from loaner.sandbox.slack.errors import SlackError
from loaner.sandbox.slack.reactions import permalink
from loaner.sandbox.slack.registered import TEAM_ID
from loaner.sandbox.slack.shapes import Json
from loaner.sandbox.slack.state import Conversation, Pin

_MOST = 100
_TS = re.compile(r"\d{1,12}\.\d{6}")


def add(call: Call) -> Json:
    ts = call.args.text("timestamp")
    if not ts:
        raise SlackError("no_item_specified")
    found = call.joined()
    if not _TS.fullmatch(ts):
        raise SlackError("bad_timestamp")
    if found.message(ts) is None:
        raise SlackError("message_not_found")
    if any(pin.ts == ts for pin in found.pins):
        raise SlackError("already_pinned")
    if len(found.pins) >= _MOST:
        raise SlackError("too_many_pins")
    found.pins.append(Pin(ts, call.user.id, int(call.state.now().timestamp())))
    return {}


def list_(call: Call) -> Json:
    """The newest first. What was deleted is pinned no more."""
    found = call.conversation()
    items = [_pinned(call, found, pin) for pin in reversed(found.pins)]
    return {"items": [item for item in items if item]}


def _pinned(call: Call, found: Conversation, pin: Pin) -> Json:
    message = found.message(pin.ts)
    if message is None:
        return {}
    shown = shapes.message(message, found) | {"pinned_to": [found.id], "permalink": permalink(call, found, message)}
    return {"type": "message", "channel": found.id, "created": pin.made, "created_by": pin.user, "message": shown}


def bookmarks(call: Call) -> Json:
    found = call.state.conversations.get(call.args.text("channel_id"))
    if found is None or not found.visible_to(call.user.id):
        raise SlackError("channel_not_found")
    kept = [
        {
            "id": one.id,
            "channel_id": found.id,
            "title": one.title,
            "link": one.link,
            "emoji": "",
            "type": "link",
            "date_created": one.made,
            "date_updated": 0,
            "rank": "U",
            "last_updated_by_user_id": found.creator,
            "last_updated_by_team_id": TEAM_ID,
        }
        for one in found.bookmarks
    ]
    return {"bookmarks": kept}
