"""What the parts of the emulated Linear share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loaner.sandbox.ledger import Entry
from loaner.sandbox.linear.derived import View
from loaner.sandbox.linear.limits import Limits
from loaner.sandbox.linear.seed import APP_USER_ID, seeded
from loaner.sandbox.linear.state import User
from loaner.sandbox.linear.tokens import Tokens
from loaner.sandbox.world import PEOPLE

if TYPE_CHECKING:
    from loaner.sandbox.app import Sandbox


class Desk:
    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.world = seeded(sandbox.clock)
        self.tokens = Tokens(sandbox)
        self._limits: dict[str, Limits] = {}

    def view(self, entry: Entry) -> View:
        """The workspace as the bearer of this token sees it."""
        viewer = self.world.get(User, self._user_id(entry))
        assert viewer is not None  # noqa: S101 - people are seeded and never leave
        return View(self.world, viewer, f"{self.sandbox.base_url}/linear", self.limits(entry))

    def limits(self, entry: Entry) -> Limits:
        """Counted per user, whatever the number of their tokens."""
        user = self._user_id(entry)
        if user not in self._limits:
            self._limits[user] = Limits(self.sandbox.clock, self.sandbox.switches)
        return self._limits[user]

    @staticmethod
    def _user_id(entry: Entry) -> str:
        return APP_USER_ID if entry.facts["actor"] == "app" else PEOPLE[entry.subject].linear_id
