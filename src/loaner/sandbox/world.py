"""Who lives in the sandbox. Each provider keeps its own things; only the people are common to all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """One human with an account at every emulated provider."""

    login: str
    name: str
    email: str
    github_id: int
    slack_id: str
    linear_id: str


PEOPLE: dict[str, Person] = {
    "alice": Person(
        login="alice",
        name="Alice Archer",
        email="alice@acme.example",
        github_id=101,
        slack_id="U00ALICE01",
        linear_id="a11ce000-0000-4000-8000-000000000001",
    ),
    "bob": Person(
        login="bob",
        name="Bob Baker",
        email="bob@acme.example",
        github_id=102,
        slack_id="U00BOB0002",
        linear_id="b0b00000-0000-4000-8000-000000000002",
    ),
}
"""Keyed by login. Both belong to everything, but bob cannot see acme/secrets on GitHub nor #board on Slack."""
