"""How Slack writes its objects (docs.slack.dev/reference/objects), kept to the fields a client reads."""

from __future__ import annotations

from loaner.sandbox.slack.registered import APP_ID, TEAM_ID
from loaner.sandbox.slack.state import Conversation, File, Member, Message

Json = dict[str, object]


def channel(conversation: Conversation, viewer: str, *, count: bool = True) -> Json:
    kind = conversation.kind
    shown: Json = {
        "id": conversation.id,
        "created": conversation.created,
        "is_archived": conversation.archived,
        "is_org_shared": False,
        "context_team_id": TEAM_ID,
    }
    if kind == "im":
        other = next((user for user in conversation.members if user != viewer), viewer)
        return shown | {"is_im": True, "user": other, "is_user_deleted": False, "priority": 0}
    shown |= {
        "name": conversation.name,
        "name_normalized": conversation.name,
        "creator": conversation.creator,
        "is_channel": kind == "public_channel",
        "is_group": kind == "private_channel",
        "is_im": False,
        "is_mpim": kind == "mpim",
        "is_private": kind != "public_channel",
        "is_general": conversation.name == "general",
        "is_shared": False,
        "is_ext_shared": False,
        "is_pending_ext_shared": False,
        "pending_shared": [],
        "is_member": viewer in conversation.members,
        "previous_names": [],
        "topic": _note(conversation.topic, conversation),
        "purpose": _note(conversation.purpose, conversation),
    }
    return shown | ({"num_members": len(conversation.members)} if count else {})


def _note(value: str, conversation: Conversation) -> Json:
    return {
        "value": value,
        "creator": conversation.creator if value else "",
        "last_set": conversation.created if value else 0,
    }


def message(item: Message, conversation: Conversation, files: dict[str, File] | None = None) -> Json:
    shown: Json = {"type": "message", "text": item.text, "ts": item.ts, "team": TEAM_ID}
    if item.bot:
        # https://docs.slack.dev/reference/events/message/bot_message: it "will not have a user property"
        shown |= {"subtype": "bot_message", "bot_id": item.bot.id, "username": item.bot.name}
    else:
        shown["user"] = item.user
    replies = [other for other in conversation.messages if other.is_reply and other.thread_ts == item.ts]
    if item.is_reply:
        shown["thread_ts"] = item.thread_ts
        parent = conversation.message(item.thread_ts or "")
        shown |= {"parent_user_id": parent.user} if parent else {}
        shown |= {"subtype": "thread_broadcast"} if item.broadcast else {}
    elif replies:
        shown |= {
            "thread_ts": item.ts,
            "reply_count": len(replies),
            "reply_users": list(dict.fromkeys(reply.user for reply in replies)),
            "latest_reply": replies[-1].ts,
        }
    if item.blocks is not None:
        shown["blocks"] = item.blocks
    if item.attachments is not None:
        shown["attachments"] = item.attachments
    if item.edited:
        shown["edited"] = {"user": item.user, "ts": item.edited}
    if item.reactions:
        shown["reactions"] = reactions(item)
    if item.files and files:
        shown["files"] = [file(files[key]) for key in item.files]
    return shown


def posted(item: Message, conversation: Conversation, files: dict[str, File] | None = None) -> Json:
    """A message as the method that wrote it answers: with the app it was written through."""
    return message(item, conversation, files) | {"app_id": APP_ID}


def reactions(item: Message) -> list[Json]:
    return [{"name": name, "users": list(users), "count": len(users)} for name, users in item.reactions.items()]


def member(person: Member, *, email: bool) -> Json:
    """A user object. The address is only in it for a token that has ``users:read.email``."""
    profile: Json = {
        "real_name": person.real_name,
        "display_name": person.display_name or person.name,
        "status_text": person.status_text,
        "status_emoji": person.status_emoji,
        "team": TEAM_ID,
    }
    return {
        "id": person.id,
        "team_id": TEAM_ID,
        "name": person.name,
        "real_name": person.real_name,
        "deleted": False,
        "tz": "Etc/UTC",
        "is_bot": False,
        "is_app_user": False,
        "is_admin": False,
        "profile": profile | ({"email": person.email} if email else {}),
    }


def file(item: File) -> Json:
    return {
        "id": item.id,
        "name": item.name,
        "title": item.title or item.name,
        "user": item.user,
        "created": item.created,
        "timestamp": item.created,
        "filetype": item.name.rpartition(".")[2].lower(),
        "size": len(item.content or b""),
        "mode": "hosted",
        "is_external": False,
        "is_public": bool(item.shared_in),
        "channels": list(item.shared_in),
    }
