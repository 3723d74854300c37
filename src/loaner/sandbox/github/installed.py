"""Where the app is installed, and what each account accepted of what it asks for.

GitHub docs, "Reviewing and modifying installed GitHub Apps", "Suspending a GitHub App installation" and "Approving
updated permissions for a GitHub App": what the app asks for later counts once an owner has accepted it.
"""

from __future__ import annotations

from dataclasses import dataclass

from loaner.sandbox.github.permissions import Permissions
from loaner.sandbox.github.registered import INSTALLATION_ID, ORGANIZATION, RegisteredApp
from loaner.sandbox.github.state import Account, World
from loaner.sandbox.switches import Switches

_FIRST_OTHER_ID = 100


@dataclass(frozen=True)
class Installation:
    id: int
    account: Account
    permissions: Permissions
    suspended: bool


class Installations:
    """Read from the switches at each look."""

    def __init__(self, world: World, app: RegisteredApp, switches: Switches) -> None:
        self._world = world
        self._app = app
        self._switches = switches

    def every(self) -> list[Installation]:
        accounts = [self._world.account(name) for name in _names(self._switches.github_installations)]
        return [self._of(each) for each in accounts if each]

    def of_user(self, login: str) -> list[Installation]:
        """Those that a person can reach: their own, and where they have a role in a repository."""
        roles = [each.owner.login for each in self._world.repositories.values() if login in each.roles]
        return [each for each in self.every() if each.account.login in {login, *roles}]

    def on(self, login: str) -> Installation | None:
        return next((each for each in self.every() if each.account.login.casefold() == login.casefold()), None)

    def by_id(self, number: int) -> Installation | None:
        return next((each for each in self.every() if each.id == number), None)

    def _of(self, account: Account) -> Installation:
        refused = {name.partition(":")[2] for name in _names(self._switches.github_not_accepted)
                   if name.partition(":")[0] == account.login}  # fmt: skip
        accepted = {name: level for name, level in self._app.permissions.items() if name not in refused}
        number = INSTALLATION_ID if account.login == ORGANIZATION else _FIRST_OTHER_ID + account.id
        return Installation(number, account, accepted, account.login in _names(self._switches.github_suspended))


def _names(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()]
