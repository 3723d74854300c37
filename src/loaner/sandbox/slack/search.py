"""``assistant.search.context``: messages, files, channels and people by their words.

Each kind of conversation and of content has its own scope
(https://docs.slack.dev/reference/methods/assistant.search.context). The shape of the results is the one
its users read (``results.messages[].content`` …); Slack publishes no example.
"""

from __future__ import annotations

from collections.abc import Callable

from loaner.sandbox.slack import shapes
from loaner.sandbox.slack.call import Call
from loaner.sandbox.slack.errors import SlackError
from loaner.sandbox.slack.methods import KINDS, SEARCH_FILES, SEARCH_USERS, Kind
from loaner.sandbox.slack.paging import page
from loaner.sandbox.slack.reactions import permalink
from loaner.sandbox.slack.registered import TEAM_ID
from loaner.sandbox.slack.shapes import Json
from loaner.sandbox.slack.state import Conversation, Member, Message

_MOST = 20
_LONGEST_QUERY = 1000
_MODIFIERS = ("from:", "to:")
_CONTENT = ("messages", "files", "channels", "users")


def context(call: Call) -> Json:
    kinds, contents = _asked(call)
    query = call.args.text("query")
    if not query.strip():
        raise SlackError("missing_query")
    if len(query) > _LONGEST_QUERY:
        raise SlackError("query_too_long")
    words, said = _modified(call, query)
    places = [c for c in call.state.conversations.values() if c.kind in kinds and c.visible_to(call.user.id)]
    results: Json = {}
    cursor = ""
    if "messages" in contents:
        found, cursor = page(
            _messages(call, places, words, said),
            lambda hit: f"{hit[0].id}/{hit[1].ts}",
            cursor=call.args.text("cursor"),
            limit=call.args.integer("limit", _MOST, error="invalid_limit") or _MOST,
            most=_MOST,
        )
        results["messages"] = [_message(call, *hit) for hit in found]
    if "files" in contents:
        ids = {place.id for place in places}
        results["files"] = [
            shapes.file(file)
            for file in call.state.files.values()
            if file.content is not None and ids & set(file.shared_in) and _score(f"{file.name} {file.title}", words)
        ]
    if "channels" in contents:
        results["channels"] = [
            shapes.channel(place, call.user.id)
            for place in places
            if _score(f"{place.name} {place.topic} {place.purpose}", words)
        ]
    if "users" in contents:
        results["users"] = [
            _person(call, person)
            for person in call.state.members.values()
            if _score(f"{person.name} {person.real_name}", words)
        ]
    return {"results": results, "response_metadata": {"next_cursor": cursor}}


def _asked(call: Call) -> tuple[list[Kind], list[str]]:
    """What is searched, each part with its own scope."""
    asked = call.args.items("channel_types", ("public_channel",))
    kinds: list[Kind] = [kind for kind in KINDS if kind in asked]
    contents = call.args.items("content_types", ("messages",))
    if len(kinds) != len(set(asked)) or not set(contents) <= set(_CONTENT):
        raise SlackError("invalid_arguments")
    if set(contents) != {"users"}:
        for kind in kinds:
            call.need_kind(kind)
    if "files" in contents:
        call.need(SEARCH_FILES)
    if "users" in contents:
        call.need(SEARCH_USERS)
    return kinds, contents


Said = Callable[[Conversation, Message], bool]


def _modified(call: Call, query: str) -> tuple[list[str], Said]:
    """The words, and what ``from:`` and ``to:`` ask for (slack.com/help/articles/202528808-Search-in-Slack).

    ``to:`` finds what was sent to somebody directly, and not where they are only mentioned.
    """
    parts = query.lower().split()
    asked = [part.partition(":") for part in parts if part.startswith(_MODIFIERS)]

    def said(place: Conversation, message: Message) -> bool:
        return all(_is_said(place, message, how, _meant(call, whom)) for how, _, whom in asked)

    return [part for part in parts if not part.startswith(_MODIFIERS)], said


def _meant(call: Call, whom: str) -> str:
    if whom == "me":
        return call.user.id
    name = whom.strip("<@>")
    return next((one.id for one in call.state.members.values() if one.name == name), name.upper())


def _is_said(place: Conversation, message: Message, how: str, who: str) -> bool:
    if how == "from":
        return message.user == who
    return place.kind in {"im", "mpim"} and who in place.members and message.user != who


def _messages(
    call: Call, places: list[Conversation], words: list[str], said: Said
) -> list[tuple[Conversation, Message]]:
    after, before = call.args.integer("after", 0), call.args.integer("before", 0)
    bots = call.args.flag("include_bots")
    hits = [
        (_score(message.text, words), message.ts, place, message)
        for place in places
        for message in place.messages
        if (_score(message.text, words) or not words)
        and said(place, message)
        and (bots or message.bot is None)
        and int(message.ts.partition(".")[0]) > after
        and (not before or int(message.ts.partition(".")[0]) < before)
    ]
    by_time = call.args.text("sort", "score") == "timestamp"
    newest_first = call.args.text("sort_dir", "desc") != "asc"
    hits.sort(key=lambda hit: hit[1] if by_time else (hit[0], hit[1]), reverse=newest_first)
    return [(place, message) for _, _, place, message in hits]


def _score(text: str, words: list[str]) -> int:
    """How many of the words occur."""
    lowered = text.lower()
    return sum(word in lowered for word in words)


def _person(call: Call, person: Member) -> Json:
    if not call.workspace.sandbox.switches.slack_found_people_flat:
        return shapes.member(person, email="users:read.email" in call.scopes)
    return {"user_id": person.id, "full_name": person.real_name, "title": ""}


def _message(call: Call, place: Conversation, message: Message) -> Json:
    author = call.state.members.get(message.user)
    shown: Json = {
        "author_name": author.real_name if author else message.bot.name if message.bot else "",
        "author_user_id": author.id if author else message.bot.id if message.bot else "",
        "team_id": TEAM_ID,
        "channel_id": place.id,
        "channel_name": place.name,
        "message_ts": message.ts,
        "content": message.text,
        "is_author_bot": message.bot is not None,
        "permalink": permalink(call, place, message),
    }
    blocks = message.blocks is not None and call.args.flag("include_message_blocks")
    return shown | ({"blocks": message.blocks} if blocks else {})
