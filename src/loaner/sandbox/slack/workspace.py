"""Everything one emulated Slack holds, in one value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loaner.sandbox.slack.limits import Limits
from loaner.sandbox.slack.seed import seeded
from loaner.sandbox.slack.tokens import Tokens

if TYPE_CHECKING:
    from loaner.sandbox.app import Sandbox

PREFIX = "/slack"


class Workspace:
    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.state = seeded(sandbox.clock)
        self.tokens = Tokens(sandbox)
        self.limits = Limits(sandbox.clock)
        self.organisation = False
        """The app is installed for a whole Enterprise organisation: auth.test names that as its team, and what is about
        one workspace wants a ``team_id`` (the arguments of conversations.list, the errors of chat.postMessage)."""

    @property
    def url(self) -> str:
        """Where this Slack is reached, without a slash at the end."""
        return f"{self.sandbox.base_url}{PREFIX}"
