"""Making and changing conversations (docs.slack.dev/reference/methods/conversations.create and its kin)."""

from __future__ import annotations

import re

from loaner.sandbox.slack import shapes
from loaner.sandbox.slack.call import Call
from loaner.sandbox.slack.errors import SlackError
from loaner.sandbox.slack.methods import Kind
from loaner.sandbox.slack.shapes import Json

_MOST_NAME = 80
_MOST_TOPIC = 250
_MOST_OPENED = 8
_NAME = re.compile(r"[\w-]+")


def create(call: Call) -> Json:
    kind: Kind = "private_channel" if call.args.flag("is_private") else "public_channel"
    call.need_kind(kind)
    call.in_workspace()
    name = call.args.text("name")
    if not name:
        raise SlackError("invalid_name_required")
    if len(name) > _MOST_NAME:
        raise SlackError("invalid_name_maxlength")
    if not _NAME.fullmatch(name) or name != name.lower():
        raise SlackError("invalid_name_specials")
    if not any(letter.isalnum() for letter in name):
        raise SlackError("invalid_name_punctuation")
    # A private channel's name is taken too, even for one who cannot see it.
    if call.state.channel_named(name):
        raise SlackError("name_taken")
    made = call.state.add_conversation(kind, name, call.user.id, [call.user.id])
    return {"channel": shapes.channel(made, call.user.id)}


def invite(call: Call) -> Json:
    """All or, with ``force``, those who can be invited; the others are listed in ``errors``."""
    found = call.joined()
    if found.archived:
        raise SlackError("is_archived")
    invited = call.args.items("users")
    if not invited:
        raise SlackError("no_user")
    refused: list[Json] = []
    for user in invited:
        if user not in call.state.members:
            refused.append({"user": user, "ok": False, "error": "user_not_found"})
        elif user == call.user.id:
            refused.append({"user": user, "ok": False, "error": "cant_invite_self"})
        elif user in found.members:
            refused.append({"user": user, "ok": False, "error": "already_in_channel"})
    welcome = [user for user in invited if user not in {refusal["user"] for refusal in refused}]
    if refused and not (call.args.flag("force") and welcome):
        raise SlackError(str(refused[0]["error"]), errors=refused)
    found.members.extend(dict.fromkeys(welcome))
    answer: Json = {"channel": shapes.channel(found, call.user.id)}
    return answer | ({"errors": refused} if refused else {})


def set_topic(call: Call) -> Json:
    found = call.joined()
    if found.archived:
        raise SlackError("is_archived")
    topic = call.args.text("topic")
    if "topic" not in call.args.values:
        call.args.needed("topic")
    if len(topic) > _MOST_TOPIC:
        raise SlackError("too_long")
    found.topic = topic
    return {"channel": shapes.channel(found, call.user.id)}


def open_(call: Call) -> Json:
    """A direct conversation with one person or several; the same people always get the same one."""
    if call.args.text("channel"):
        found = call.conversation()
        return {"no_op": True, "already_open": True, "channel": _opened(call, found.id)}
    users = [user for user in dict.fromkeys(call.args.items("users")) if user != call.user.id]
    if not users:
        call.need(*call.method.accepted)
        raise SlackError("users_list_not_supplied")
    kind: Kind = "im" if len(users) == 1 else "mpim"
    call.need_kind(kind)
    if len(users) > _MOST_OPENED:
        raise SlackError("too_many_users")
    if any(user not in call.state.members for user in users):
        raise SlackError("user_not_found")
    people = [call.user.id, *users]
    existing = call.state.direct(set(people))
    if existing is not None:
        return {"no_op": True, "already_open": True, "channel": _opened(call, existing.id)}
    if call.args.flag("prevent_creation"):
        raise SlackError("channel_not_found")
    name = "" if kind == "im" else "mpdm-" + "--".join(call.state.members[user].name for user in people) + "-1"
    made = call.state.add_conversation(kind, name, call.user.id, people)
    return {"channel": _opened(call, made.id)}


def _opened(call: Call, channel: str) -> Json:
    if call.args.flag("return_im"):
        return shapes.channel(call.state.conversations[channel], call.user.id)
    return {"id": channel}
