"""Reactions, and the link to a message (docs.slack.dev/reference/methods/reactions.add, chat.getPermalink).

The channel is named by id.
"""

from __future__ import annotations

import re

from loaner.sandbox.slack import shapes
from loaner.sandbox.slack.call import Call
from loaner.sandbox.slack.errors import SlackError
from loaner.sandbox.slack.shapes import Json
from loaner.sandbox.slack.state import Conversation, Message

_NAME = re.compile(r"[a-z0-9_+'-]{1,100}(::skin-tone-[2-6])?")
_TS = re.compile(r"\d{1,12}\.\d{6}")


def add(call: Call) -> Json:
    found, message = _item(call)
    if found.archived:
        raise SlackError("is_archived")
    name = call.args.needed("name")
    if not _NAME.fullmatch(name):
        raise SlackError("invalid_name")
    users = message.reactions.setdefault(name, [])
    if call.user.id in users:
        raise SlackError("already_reacted")
    users.append(call.user.id)
    return {}


def remove(call: Call) -> Json:
    """One's own; "the specified reaction does not exist, or the requestor is not the original reaction author"."""
    _, message = _item(call)
    name = call.args.needed("name")
    if not _NAME.fullmatch(name):
        raise SlackError("invalid_name")
    users = message.reactions.get(name, [])
    if call.user.id not in users:
        raise SlackError("no_reaction")
    users.remove(call.user.id)
    if not users:
        del message.reactions[name]
    return {}


def get_permalink(call: Call) -> Json:
    found = call.state.conversations.get(call.args.needed("channel"))
    if found is None or not found.visible_to(call.user.id):
        raise SlackError("channel_not_found")
    message = found.message(call.args.needed("message_ts"))
    if message is None:
        raise SlackError("message_not_found")
    return {"channel": found.id, "permalink": permalink(call, found, message)}


def get(call: Call) -> Json:
    found, message = _item(call)
    shown = shapes.message(message, found) | {"permalink": permalink(call, found, message)}
    return {"type": "message", "channel": found.id, "message": shown}


def permalink(call: Call, found: Conversation, message: Message) -> str:
    return f"{call.workspace.url}/archives/{found.id}/p{message.ts.replace('.', '')}"


def _item(call: Call) -> tuple[Conversation, Message]:
    ts = call.args.text("timestamp")
    if not call.args.text("channel") or not ts:
        raise SlackError("no_item_specified")
    found = call.conversation()
    if not _TS.fullmatch(ts):
        raise SlackError("bad_timestamp")
    message = found.message(ts)
    if message is None:
        raise SlackError("message_not_found")
    return found, message
