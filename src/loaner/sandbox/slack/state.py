"""What a Slack workspace remembers: members, conversations, messages, files, canvases."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from loaner.sandbox.slack.methods import Kind


@dataclass(frozen=True)
class Member:
    """A person of the workspace. ``login`` is ``None`` for one who never signs in here."""

    id: str
    name: str
    real_name: str
    email: str
    login: str | None = None
    display_name: str = ""
    status_text: str = ""
    status_emoji: str = ""


@dataclass(frozen=True)
class Bot:
    """What an app posts as, where nobody is the author: ``B…`` and the name that it chose."""

    id: str
    name: str


@dataclass
class Message:
    """``user`` is empty for what an app posts as a bot."""

    ts: str
    user: str
    text: str
    thread_ts: str | None = None
    broadcast: bool = False
    edited: str | None = None
    blocks: object | None = None
    attachments: object | None = None
    bot: Bot | None = None
    files: list[str] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_reply(self) -> bool:
        return self.thread_ts is not None and self.thread_ts != self.ts


@dataclass(frozen=True)
class Pin:
    ts: str
    user: str
    made: int


@dataclass(frozen=True)
class Bookmark:
    id: str
    title: str
    link: str
    made: int


@dataclass
class Conversation:
    id: str
    kind: Kind
    name: str
    creator: str
    created: int
    members: list[str]
    topic: str = ""
    purpose: str = ""
    messages: list[Message] = field(default_factory=list)
    archived: bool = False
    pins: list[Pin] = field(default_factory=list)
    bookmarks: list[Bookmark] = field(default_factory=list)

    def visible_to(self, user: str) -> bool:
        """Everybody sees a public channel; anything else exists only for its members."""
        return self.kind == "public_channel" or user in self.members

    def message(self, ts: str) -> Message | None:
        return next((message for message in self.messages if message.ts == ts), None)

    def thread(self, ts: str) -> list[Message]:
        return [message for message in self.messages if ts in {message.ts, message.thread_ts}]


@dataclass
class File:
    id: str
    ticket: str
    user: str
    name: str
    length: int
    created: int
    title: str = ""
    content: bytes | None = None
    shared_in: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Canvas:
    id: str
    user: str
    title: str
    markdown: str
    channel: str | None


@dataclass(frozen=True)
class Scheduled:
    id: str
    channel: str
    user: str
    text: str
    post_at: int
    thread_ts: str | None
    made: int
    broadcast: bool = False


class SlackState:
    """One workspace. Nothing here asks who may: that is for the methods."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.members: dict[str, Member] = {}
        self.conversations: dict[str, Conversation] = {}
        self.files: dict[str, File] = {}
        self.canvases: dict[str, Canvas] = {}
        self.scheduled: list[Scheduled] = []
        self._numbers = itertools.count(1)
        self._last_ts = (0, 0)

    def new_id(self, letter: str) -> str:
        """A fresh id of Slack's look: a letter for the kind of thing, then capitals and digits."""
        return f"{letter}0SBX{next(self._numbers):06d}"

    def new_ts(self, moment: datetime | None = None) -> str:
        """A message timestamp: Unix seconds, and a counter that keeps it unique and growing."""
        second = int((moment or self.now()).timestamp())
        self._last_ts = max((second, 1), (self._last_ts[0], self._last_ts[1] + 1))
        return f"{self._last_ts[0]}.{self._last_ts[1]:06d}"

    def member_of_login(self, login: str) -> Member:
        return next(member for member in self.members.values() if member.login == login)

    def add_conversation(
        self, kind: Kind, name: str, creator: str, members: list[str], *, topic: str = "", purpose: str = ""
    ) -> Conversation:
        letter = {"public_channel": "C", "private_channel": "C", "im": "D", "mpim": "G"}[kind]
        made = Conversation(
            id=self.new_id(letter),
            kind=kind,
            name=name,
            creator=creator,
            created=int(self.now().timestamp()),
            members=members,
            topic=topic,
            purpose=purpose,
        )
        self.conversations[made.id] = made
        return made

    def channel_named(self, name: str) -> Conversation | None:
        return next((c for c in self.conversations.values() if c.name == name and c.kind in _NAMED), None)

    def direct(self, members: set[str]) -> Conversation | None:
        """The direct conversation of exactly these people, if there is one already."""
        return next(
            (c for c in self.conversations.values() if c.kind not in _NAMED and set(c.members) == members), None
        )

    def post(
        self,
        conversation: Conversation,
        user: str,
        text: str,
        *,
        thread_ts: str | None = None,
        broadcast: bool = False,
        blocks: object | None = None,
        attachments: object | None = None,
        bot: Bot | None = None,
        files: list[str] | None = None,
        at: datetime | None = None,
    ) -> Message:
        message = Message(
            ts=self.new_ts(at),
            user=user,
            text=text,
            thread_ts=thread_ts,
            broadcast=broadcast,
            blocks=blocks,
            attachments=attachments,
            bot=bot,
            files=files or [],
        )
        conversation.messages.append(message)
        return message

    def deliver_due(self) -> None:
        """Post what was scheduled for a moment that has come."""
        second = self.now().timestamp()
        due = [item for item in self.scheduled if item.post_at <= second]
        self.scheduled = [item for item in self.scheduled if item.post_at > second]
        for item in sorted(due, key=lambda item: item.post_at):
            self.post(
                self.conversations[item.channel],
                item.user,
                item.text,
                thread_ts=item.thread_ts,
                broadcast=item.broadcast,
            )

    def conversations_of(self, user: str) -> Iterator[Conversation]:
        return (c for c in self.conversations.values() if user in c.members)


_NAMED: tuple[Kind, ...] = ("public_channel", "private_channel")
