"""One Web API call after its token was recognised: who asks, with which scopes, of what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loaner.sandbox.ledger import Entry
from loaner.sandbox.slack.arguments import Arguments
from loaner.sandbox.slack.errors import SlackError
from loaner.sandbox.slack.methods import Kind, Method
from loaner.sandbox.slack.registered import TEAM_ID
from loaner.sandbox.slack.shapes import Json
from loaner.sandbox.slack.state import Conversation, Member, SlackState

if TYPE_CHECKING:
    from loaner.sandbox.slack.workspace import Workspace


@dataclass(frozen=True)
class Call:
    workspace: Workspace
    method: Method
    args: Arguments
    entry: Entry
    user: Member

    @property
    def state(self) -> SlackState:
        return self.workspace.state

    @property
    def scopes(self) -> list[str]:
        return list(self.entry.permissions)

    def need(self, *alternatives: str) -> None:
        """Stop unless the token has one of these scopes; no alternatives means none is needed.

        Raises:
            SlackError: ``missing_scope`` with what is ``needed`` and ``provided``, both comma-separated.
        """
        if alternatives and not set(alternatives) & set(self.scopes):
            raise SlackError("missing_scope", needed=",".join(alternatives), provided=",".join(self.scopes))

    def in_workspace(self) -> None:
        """Stop an organisation's token that does not say which workspace it is about."""
        if not self.workspace.organisation:
            return
        team = self.args.text("team_id")
        if not team:
            raise SlackError("missing_argument")
        if team != TEAM_ID:
            raise SlackError("team_not_found")

    def need_kind(self, kind: Kind) -> None:
        """Stop unless the token may call this method on this kind of conversation."""
        by_kind = self.method.by_kind or {}
        if kind not in by_kind:
            raise SlackError("method_not_supported_for_channel_type")
        self.need(*by_kind[kind])

    def conversation(self) -> Conversation:
        """The conversation of the argument ``channel``, by id, with the scope its kind asks for.

        What the person cannot see is not found, whatever the token's scopes.
        """
        found = self.state.conversations.get(self.args.needed("channel"))
        if found is None or not found.visible_to(self.user.id):
            self.need(*self.method.accepted)
            raise SlackError("channel_not_found")
        if self.method.by_kind is not None:
            self.need_kind(found.kind)
        return found

    def joined(self) -> Conversation:
        """The same, for what only a member may do."""
        found = self.conversation()
        if self.user.id not in found.members:
            raise SlackError("not_in_channel")
        return found


Handler = Callable[[Call], Json]
