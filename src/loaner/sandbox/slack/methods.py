"""What Slack's documentation says of each emulated method: scopes of a user token, tier, body.

Every row restates the facts of ``https://docs.slack.dev/reference/methods/<name>`` as read on 2026-05-25
(scraped in smstoslack/slack_kit a1294c4, MIT). Conversation methods need one scope of a family, chosen by
the kind of the conversation: ``channels:`` public, ``groups:`` private, ``im:`` and ``mpim:`` direct.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["public_channel", "private_channel", "im", "mpim"]
KINDS: tuple[Kind, ...] = ("public_channel", "private_channel", "im", "mpim")

_FAMILY: Mapping[Kind, str] = {
    "public_channel": "channels",
    "private_channel": "groups",
    "im": "im",
    "mpim": "mpim",
}

Tier = Literal[1, 2, 3, 4]
PER_MINUTE: Mapping[Tier, int] = {1: 1, 2: 20, 3: 50, 4: 100}
"""Requests a minute of each tier, where the documentation writes "20+" (apis/web-api/rate-limits)."""


@dataclass(frozen=True)
class Method:
    """One Web API method.

    ``by_kind`` lists, for each kind of conversation, the scopes any one of which will do, narrowest first;
    ``scopes`` is the same for a method that does not depend on a kind. Neither: no scope is needed.
    ``reads`` methods take their arguments as a query or a form; the others take JSON as well.
    """

    name: str
    tier: Tier
    scopes: tuple[str, ...] = ()
    by_kind: Mapping[Kind, tuple[str, ...]] | None = None
    parts: tuple[str, ...] = ()
    """Scopes that only some calls need, whatever the kind: those that search for files or people."""
    reads: bool = False

    @property
    def accepted(self) -> list[str]:
        """Every scope that some call of this method could need, as ``x-accepted-oauth-scopes`` lists them."""
        if self.by_kind is None:
            return list(self.scopes)
        return list(dict.fromkeys([*(scope for scopes in self.by_kind.values() for scope in scopes), *self.parts]))


def _family(*verbs: str, kinds: tuple[Kind, ...] = KINDS) -> dict[Kind, tuple[str, ...]]:
    return {kind: tuple(f"{_FAMILY[kind]}:{verb}" for verb in verbs) for kind in kinds}


_READ = _family("read")
_HISTORY = _family("history")
_CHANNELS: tuple[Kind, ...] = ("public_channel", "private_channel")

_SEARCH: Mapping[Kind, tuple[str, ...]] = {
    "public_channel": ("search:read.public",),
    "private_channel": ("search:read.private",),
    "im": ("search:read.im",),
    "mpim": ("search:read.mpim",),
}
SEARCH_FILES = "search:read.files"
SEARCH_USERS = "search:read.users"

METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method("auth.test", 4, reads=True),
        Method("auth.revoke", 3, reads=True),
        Method("conversations.list", 2, by_kind=_READ, reads=True),
        Method("users.conversations", 3, by_kind=_READ, reads=True),
        Method("conversations.info", 3, by_kind=_READ, reads=True),
        Method("conversations.members", 4, by_kind=_READ, reads=True),
        Method("conversations.history", 3, by_kind=_HISTORY, reads=True),
        Method("conversations.replies", 3, by_kind=_HISTORY, reads=True),
        Method("conversations.create", 2, by_kind=_family("write", kinds=_CHANNELS)),
        Method("conversations.invite", 3, by_kind=_family("write.invites", "write", kinds=_CHANNELS)),
        Method("conversations.setTopic", 2, by_kind=_family("write.topic", "write")),
        Method("conversations.join", 3, scopes=("channels:write",)),
        Method("conversations.archive", 2, by_kind=_family("write", kinds=_CHANNELS)),
        Method("conversations.unarchive", 2, by_kind=_family("write", kinds=_CHANNELS), reads=True),  # a form, no JSON
        Method("conversations.open", 3, by_kind=_family("write", kinds=("im", "mpim"))),
        Method("chat.postMessage", 4, scopes=("chat:write",)),
        Method("chat.update", 3, scopes=("chat:write",)),
        Method("chat.delete", 3, scopes=("chat:write",)),
        Method("chat.scheduleMessage", 3, scopes=("chat:write",)),
        Method("chat.scheduledMessages.list", 3, reads=True),
        Method("chat.deleteScheduledMessage", 3, scopes=("chat:write",)),
        Method("chat.getPermalink", 4, reads=True),
        Method("reactions.add", 3, scopes=("reactions:write",)),
        Method("reactions.remove", 2, scopes=("reactions:write",)),
        Method("reactions.get", 3, scopes=("reactions:read",), reads=True),
        Method("pins.add", 2, scopes=("pins:write",)),
        Method("pins.list", 2, scopes=("pins:read",), reads=True),
        Method("bookmarks.list", 3, scopes=("bookmarks:read",), reads=True),
        Method("users.info", 4, scopes=("users:read",), reads=True),
        Method("users.list", 2, scopes=("users:read",), reads=True),
        Method("users.lookupByEmail", 3, scopes=("users:read.email",), reads=True),
        Method("assistant.search.context", 4, by_kind=_SEARCH, parts=(SEARCH_FILES, SEARCH_USERS)),
        Method("files.getUploadURLExternal", 4, scopes=("files:write",), reads=True),
        Method("files.completeUploadExternal", 4, scopes=("files:write",)),
        Method("files.list", 3, scopes=("files:read",), reads=True),
        Method("canvases.create", 2, scopes=("canvases:write",)),
    )
}

_OTHER_SCOPES = """
    bookmarks:write calls:read calls:write canvases:read dnd:read dnd:write emoji:read
    identify im:write.topic links:write lists:read lists:write mpim:write.topic reminders:read
    reminders:write remote_files:read remote_files:share search:read search:read.files search:read.users stars:read
    stars:write team:read usergroups:read usergroups:write users.profile:read users.profile:write users:write
"""
"""User scopes of methods that are not emulated; an app may still ask for them (docs.slack.dev/reference/scopes)."""

USER_SCOPES: frozenset[str] = frozenset(_OTHER_SCOPES.split()).union(*(method.accepted for method in METHODS.values()))
"""Every scope the consent page knows; any other is refused there, as Slack does."""
