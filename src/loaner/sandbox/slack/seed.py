"""The workspace every sandbox starts with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from loaner.sandbox.slack.state import Bookmark, Bot, Conversation, File, Member, Pin, SlackState
from loaner.sandbox.world import PEOPLE

CAROL = Member(
    id="U0CAROL001",
    name="carol",
    real_name="Carol Danvers",
    email="carol@acme.example",
    display_name="Captain",
    status_text="On leave until Monday",
    status_emoji=":palm_tree:",
)
"""A colleague who never signs in: the third that an invitation or a group message needs."""

ALERTS = Bot(id="B0ALERTS01", name="Alerts")


def seeded(now: Callable[[], datetime]) -> SlackState:
    """Workspace ``acme``: ``#general``, ``#releases``, ``#random`` for all, private ``#board`` for alice."""
    state = SlackState(now)
    for person in PEOPLE.values():
        state.members[person.slack_id] = Member(
            id=person.slack_id,
            name=person.login,
            real_name=person.name,
            email=person.email,
            login=person.login,
        )
    state.members[CAROL.id] = CAROL
    alice, bob = PEOPLE["alice"].slack_id, PEOPLE["bob"].slack_id
    everyone = [alice, bob, CAROL.id]

    yesterday = now() - timedelta(days=1)
    minutes = iter(range(0, 60 * 24, 7))

    def moment() -> datetime:
        return yesterday + timedelta(minutes=next(minutes))

    general = state.add_conversation("public_channel", "general", alice, list(everyone), purpose="Company-wide news.")
    releases = state.add_conversation(
        "public_channel", "releases", bob, [alice, bob], topic="What ships, and when", purpose="Release notes."
    )
    random = state.add_conversation("public_channel", "random", CAROL.id, list(everyone))
    board = state.add_conversation("private_channel", "board", alice, [alice], topic="Confidential")

    state.post(general, alice, "Good morning, everyone.", at=moment())
    state.post(general, bob, "The web build is green again.", at=moment())
    state.post(general, CAROL.id, "Lunch at noon?", at=moment())
    shipped = state.post(releases, bob, "web 1.4.0 is out.", at=moment())
    releases.pins.append(Pin(shipped.ts, bob, int(now().timestamp())))
    plan = Bookmark("Bk0SBX000001", "Release plan", "https://example.com/plan", int(yesterday.timestamp()))
    releases.bookmarks.append(plan)
    state.post(releases, alice, "Any known issues?", thread_ts=shipped.ts, at=moment())
    state.post(releases, bob, "One: the login page is slow on the first visit.", thread_ts=shipped.ts, at=moment())
    state.post(releases, alice, "api 2.0.0 is planned for Thursday.", at=moment())
    state.post(random, CAROL.id, "Has anyone seen my blue mug?", at=moment())
    state.post(random, bob, "It is in the dishwasher.", at=moment())
    _what_apps_and_people_post(state, random, bob, moment)
    state.post(board, alice, "Draft of the quarterly numbers is ready.", at=moment())
    state.post(board, alice, "Please do not share before Friday.", at=moment())
    return state


def _what_apps_and_people_post(
    state: SlackState, place: Conversation, user: str, moment: Callable[[], datetime]
) -> None:
    """Messages whose text is elsewhere: in an attachment, in blocks, beside a file."""
    alert = {
        "id": 1,
        "color": "a30200",
        "fallback": "[FIRING] Dishwasher: water on the floor",
        "title": "Dishwasher",
        "text": "Water on the floor",
        "fields": [{"title": "Floor", "value": "2", "short": True}],
    }
    state.post(place, "", "", bot=ALERTS, attachments=[alert], at=moment())
    blocks = [
        {"type": "header", "block_id": "h", "text": {"type": "plain_text", "text": "Dishwasher repaired"}},
        {"type": "section", "block_id": "s", "text": {"type": "mrkdwn", "text": "The *pump* was replaced."}},
    ]
    state.post(place, "", "This content can't be displayed.", bot=ALERTS, blocks=blocks, at=moment())
    photo = File(state.new_id("F"), "", user, "pump.txt", 5, int(moment().timestamp()), content=b"old p")
    photo.shared_in.append(place.id)
    state.files[photo.id] = photo
    seen = state.post(place, user, "see file", files=[photo.id], at=moment())
    seen.reactions["eyes"] = [user, CAROL.id]
    seen.edited = seen.ts
