"""Writing messages (docs.slack.dev/reference/methods/chat.*). ``chat:write`` covers changing and deleting."""

from __future__ import annotations

from datetime import timedelta

from loaner.sandbox.slack import shapes
from loaner.sandbox.slack.call import Call
from loaner.sandbox.slack.errors import SlackError
from loaner.sandbox.slack.paging import page
from loaner.sandbox.slack.registered import APP_ID
from loaner.sandbox.slack.shapes import Json
from loaner.sandbox.slack.state import Conversation, Message, Scheduled

_MOST_TEXT = 40_000
_MOST_MARKDOWN = 12_000
"""\"Limit this field to 12,000 characters\" (docs.slack.dev/reference/methods/chat.postMessage)."""
_FARTHEST = timedelta(days=120)


def post(call: Call) -> Json:
    """``channel`` may be an id, or a channel's name with or without ``#``; only members post."""
    found = _addressed(call)
    text, blocks = _content(call)
    thread_ts = _thread(call, found)
    if call.workspace.sandbox.switches.slack_posting_limit:
        call.workspace.limits.count_post(found.id)
    made = call.state.post(
        found,
        call.user.id,
        text,
        thread_ts=thread_ts,
        broadcast=bool(thread_ts) and call.args.flag("reply_broadcast"),
        blocks=blocks,
    )
    return {"channel": found.id, "ts": made.ts, "message": shapes.posted(made, found)}


def update(call: Call) -> Json:
    found, message = _own(call, "cant_update_message")
    text, blocks = _content(call)
    message.text, message.blocks = text, blocks
    message.edited = f"{int(call.state.now().timestamp())}.000000"
    return {"channel": found.id, "ts": message.ts, "text": text, "message": shapes.posted(message, found)}


def delete(call: Call) -> Json:
    found, message = _own(call, "cant_delete_message")
    found.messages.remove(message)
    return {"channel": found.id, "ts": message.ts}


def schedule(call: Call) -> Json:
    """The message is posted when the sandbox's clock has passed ``post_at`` (Unix seconds)."""
    found = _addressed(call)
    text, _ = _content(call)
    call.args.needed("post_at")
    post_at = call.args.integer("post_at", 0, error="invalid_time")
    now = call.state.now().timestamp()
    if post_at <= now:
        raise SlackError("time_in_past")
    if post_at > now + _FARTHEST.total_seconds():
        raise SlackError("time_too_far")
    thread_ts = _thread(call, found)
    broadcast = bool(thread_ts) and call.args.flag("reply_broadcast")
    item = Scheduled(call.state.new_id("Q"), found.id, call.user.id, text, post_at, thread_ts, int(now), broadcast)
    call.state.scheduled.append(item)
    message: Json = {"text": text, "type": "delayed_message", "user": call.user.id, "app_id": APP_ID}
    return {"channel": found.id, "scheduled_message_id": item.id, "post_at": post_at, "message": message}


def list_scheduled(call: Call) -> Json:
    """Those that the person asking has scheduled, soonest first; of one ``channel``, if it is given."""
    call.in_workspace()
    where = call.args.text("channel")
    if where and where not in call.state.conversations:
        raise SlackError("invalid_channel")
    own = [item for item in call.state.scheduled if item.user == call.user.id and where in {"", item.channel}]
    limit = call.args.integer("limit", 100) or 100
    shown, cursor = page(
        sorted(own, key=lambda item: (item.post_at, item.id)),
        lambda item: item.id,
        cursor=call.args.text("cursor"),
        limit=limit,
    )
    messages = [
        {
            "id": item.id,
            "channel_id": item.channel,
            "post_at": item.post_at,
            "date_created": item.made,
            "text": item.text,
        }
        for item in shown
    ]
    return {"scheduled_messages": messages, "response_metadata": {"next_cursor": cursor}}


def delete_scheduled(call: Call) -> Json:
    where, which = call.args.needed("channel"), call.args.needed("scheduled_message_id")
    if where not in call.state.conversations:
        raise SlackError("channel_not_found")
    wanted = (which, where, call.user.id)
    item = next((one for one in call.state.scheduled if (one.id, one.channel, one.user) == wanted), None)
    if item is None:
        raise SlackError("invalid_scheduled_message_id")
    call.state.scheduled.remove(item)
    return {}


def _addressed(call: Call) -> Conversation:
    name = call.args.needed("channel")
    if name not in call.state.conversations and call.workspace.organisation:
        raise SlackError("team_not_found")
    found = call.state.conversations.get(name) or call.state.channel_named(name.removeprefix("#"))
    if found is None or not found.visible_to(call.user.id):
        raise SlackError("channel_not_found")
    if call.user.id not in found.members:
        raise SlackError("not_in_channel")
    if found.archived:
        raise SlackError("is_archived")
    return found


def _content(call: Call) -> tuple[str, object | None]:
    text, markdown = call.args.text("text"), call.args.text("markdown_text")
    blocks = call.args.structure("blocks")
    if markdown and (text or blocks):
        raise SlackError("markdown_text_conflict")
    if blocks is not None and not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    if not (text or markdown or blocks or call.args.structure("attachments")):
        raise SlackError("no_text")
    if len(text) > _MOST_TEXT or len(markdown) > _MOST_MARKDOWN:
        raise SlackError("msg_too_long")
    return text or markdown, blocks


def _thread(call: Call, found: Conversation) -> str | None:
    thread_ts = call.args.text("thread_ts")
    if not thread_ts:
        return None
    parent = found.message(thread_ts)
    if parent is None:
        raise SlackError("cannot_reply_to_message")
    # A reply's own timestamp leads to its thread, not to a thread within a thread.
    return parent.thread_ts or parent.ts


def _own(call: Call, refusal: str) -> tuple[Conversation, Message]:
    found = call.state.conversations.get(call.args.needed("channel"))
    if found is None or not found.visible_to(call.user.id):
        raise SlackError("channel_not_found")
    message = found.message(call.args.needed("ts"))
    if message is None:
        raise SlackError("message_not_found")
    if message.user != call.user.id:
        raise SlackError(refusal)
    return found, message
