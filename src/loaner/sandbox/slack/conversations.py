"""Channels and direct messages: listing and reading them (docs.slack.dev/reference/methods/conversations.*)."""

from __future__ import annotations

import re

from loaner.sandbox.slack import shapes
from loaner.sandbox.slack.call import Call
from loaner.sandbox.slack.errors import SlackError
from loaner.sandbox.slack.methods import KINDS, Kind
from loaner.sandbox.slack.paging import page
from loaner.sandbox.slack.shapes import Json
from loaner.sandbox.slack.state import Conversation, Message

_MOST = 999
"""\"Must be an integer under 1000\" (docs.slack.dev/reference/methods/conversations.list, users.conversations)."""
_TS = re.compile(r"\d{1,12}(\.\d{1,6})?")


def list_(call: Call) -> Json:
    """Public channels, and of the other kinds those the person is in."""
    kinds = _kinds(call)
    found = [c for c in call.state.conversations.values() if c.kind in kinds and c.visible_to(call.user.id)]
    return _listed(call, found, count=True)


def of_user(call: Call) -> Json:
    """``users.conversations``: those a member is in, as far as the person asking may see them."""
    kinds = _kinds(call)
    whose = call.args.text("user", call.user.id)
    if whose not in call.state.members:
        raise SlackError("user_not_found")
    found = [c for c in call.state.conversations_of(whose) if c.kind in kinds and c.visible_to(call.user.id)]
    return _listed(call, found, count=False)


def info(call: Call) -> Json:
    found = call.conversation()
    shown = shapes.channel(found, call.user.id, count=call.args.flag("include_num_members"))
    return {"channel": shown}


def members(call: Call) -> Json:
    found = call.conversation()
    shown, cursor = page(found.members, str, cursor=call.args.text("cursor"), limit=_limit(call))
    return {"members": shown, "response_metadata": {"next_cursor": cursor}}


def history(call: Call) -> Json:
    """Messages outside threads, newest first. A user token reads public channels it is not in."""
    found = call.conversation()
    top = [message for message in found.messages if not message.is_reply or message.broadcast]
    return _messages(call, found, list(reversed(top)))


def replies(call: Call) -> Json:
    """A thread: its first message, then the replies, oldest first."""
    found = call.conversation()
    thread = found.thread(call.args.needed("ts"))
    if not thread:
        raise SlackError("thread_not_found")
    return _messages(call, found, thread, default_limit=1000)


def _messages(call: Call, found: Conversation, items: list[Message], *, default_limit: int = 100) -> Json:
    window = [message for message in items if _inside(call, message.ts)]
    limit = _limit(call, default_limit)
    shown, cursor = page(window, lambda message: message.ts, cursor=call.args.text("cursor"), limit=limit)
    return {
        "messages": [shapes.message(message, found, call.state.files) for message in shown],
        "has_more": bool(cursor),
        "pin_count": 0,
        "response_metadata": {"next_cursor": cursor},
    }


def _inside(call: Call, ts: str) -> bool:
    oldest, latest = _moment(call, "oldest"), _moment(call, "latest")
    moment = _order(ts)
    if call.args.flag("inclusive"):
        return (oldest is None or moment >= oldest) and (latest is None or moment <= latest)
    return (oldest is None or moment > oldest) and (latest is None or moment < latest)


def _moment(call: Call, name: str) -> tuple[int, int] | None:
    value = call.args.text(name)
    if value in {"", "0", "now"}:
        return None
    if not _TS.fullmatch(value):
        raise SlackError(f"invalid_ts_{name}")
    return _order(value)


def _order(ts: str) -> tuple[int, int]:
    """A timestamp as two whole numbers: it is an id first, and floats would merge neighbours."""
    second, _, rest = ts.partition(".")
    return int(second), int((rest or "0").ljust(6, "0"))


def _kinds(call: Call) -> list[Kind]:
    """The kinds asked for, each with its own scope."""
    call.in_workspace()
    asked = call.args.items("types", ("public_channel",))
    kinds: list[Kind] = [kind for kind in KINDS if kind in asked]
    if len(kinds) != len(set(asked)) or not kinds:
        raise SlackError("invalid_types")
    for kind in kinds:
        call.need_kind(kind)
    return kinds


def _listed(call: Call, found: list[Conversation], *, count: bool) -> Json:
    found = [c for c in found if not (c.archived and call.args.flag("exclude_archived"))]
    shown, cursor = page(found, lambda c: c.id, cursor=call.args.text("cursor"), limit=_limit(call), most=_MOST)
    return {
        "channels": [shapes.channel(c, call.user.id, count=count) for c in shown],
        "response_metadata": {"next_cursor": cursor},
    }


def _limit(call: Call, default: int = 100) -> int:
    """Slack takes 0 for "not given"."""
    return call.args.integer("limit", default, error="invalid_limit") or default
