"""The controls that records say something about: what each asks, in our words, and what loaner cannot show of it.

SOC 2: Trust Services Criteria (AICPA, TSP section 100, 2017 with revised points of focus of 2022), CC6.
PCI DSS 4.0.1: requirements 7 and 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Group = Literal["use", "permission", "end", "refusal", "stop", "log"]
"""``use``: access that was exercised. ``permission``: a person allowed it. ``end``: it was taken away. ``refusal``: it
was asked for and not given. ``stop``: everything of somebody was stopped, or let go on. ``log``: about the records."""
TITLES: Final[dict[Group, str]] = {
    "use": "Access that was exercised",
    "permission": "Access that a person allowed",
    "end": "Access that ended",
    "refusal": "Access that was asked for and not given",
    "stop": "Stops, and what lifted them",
    "log": "About the records and the keys",
}


@dataclass(frozen=True)
class Control:
    name: str
    asks: str
    shown_by: tuple[Group, ...]
    cannot: str
    """What loaner has no record of."""


CONTROLS: Final = (
    Control(
        "SOC 2 CC6.1",
        "Access to protected information is restricted by access controls and by managing credentials.",
        ("use", "refusal", "log"),
        "Access that does not go through loaner: keys that people hold themselves, and the providers' own websites. "
        "Who may log in to loaner's host, its database and its sealing key.",
    ),
    Control(
        "SOC 2 CC6.2",
        "Access is authorized before a credential is issued, and taken away when it is not needed any more.",
        ("permission", "end", "stop"),
        "How people are registered and leave: that is in the identity provider. Whether who approved should have.",
    ),
    Control(
        "SOC 2 CC6.3",
        "Access follows least privilege and is changed or removed as approved.",
        ("use", "permission", "end"),
        "Roles and separation of duties outside of loaner's rules. The text of the rules: records name their version.",
    ),
    Control(
        "SOC 2 CC6.6",
        "Access from outside the boundary is protected against.",
        ("refusal", "stop"),
        "Firewalls, intrusion detection, and the network that loaner stands in. Requests without a valid token have no "
        "record here; they are in loaner's log.",
    ),
    Control(
        "PCI DSS 7.2",
        "Access is defined and assigned by need to know and least privilege, with documented approval.",
        ("use", "permission", "end"),
        "The periodic review of accounts (7.2.4, 7.2.5.1): these lines are material for it. Access to databases.",
    ),
    Control(
        "PCI DSS 7.3",
        "An access control system enforces it, and denies what is not explicitly allowed.",
        ("use", "refusal"),
        "How each provider enforces what its credential says; each line names who enforced which limit.",
    ),
    Control(
        "PCI DSS 10.2",
        "Audit logs record who did what, when, on what, from where, and with which result.",
        ("use", "permission", "end", "refusal", "stop", "log"),
        "What happened inside the provider. What an administrator did on loaner's host outside of loaner. Calls that "
        "were refused unread, because one person made too many, are counted and not listed.",
    ),
    Control(
        "PCI DSS 10.3",
        "Audit logs are protected from destruction and from changes that nobody notices.",
        ("log",),
        "Who may read the store and its backups. That checkpoints are kept where loaner's host cannot write.",
    ),
)


def of(group: Group) -> tuple[Control, ...]:
    return tuple(control for control in CONTROLS if group in control.shown_by)
