"""Every page in every state: no accessibility violation, no sideways scrolling, nothing the browser complains of.

With ``TAKE_PICTURES=1`` the pictures in ``docs/pictures`` are taken anew; with a folder, every look into that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from pictures import small
from playwright.async_api import Error, Page
from street import DELETE, GITHUB, SLACK, SLACK_READ, TASK, Place, Street, Visitor

DOCS = Path(__file__).parents[2] / "docs"
TAKE = os.environ.get("TAKE_PICTURES", "")
PICTURES = DOCS / "pictures" if TAKE == "1" else Path(TAKE) if TAKE else None
SHOWN = "light"
"""The look that the documents show; the others are taken on demand."""
LOADS = 3
FITS = "document.documentElement.scrollWidth <= innerWidth"
SMALL = 120_000
"""Bytes of one picture."""
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 560, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 560, "height": 900}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 375, "height": 667}, "color_scheme": "light"},
}
SLACK_TOOLS = {"tools": {"toolsets": ["slack"]}}
PASSKEY = {"consent": {"presence": "passkey"}}
NASTY = (SLACK[0], {"channel": "#releases", "text": "\u202egnp.exe\u2066 <b>bold</b> " + "unbreakable" * 60})
Found = TypeVar("Found")
Way = Callable[[Place, Visitor], Awaitable[None]]


async def confirm(place: Place, who: Visitor) -> None:
    await who.open((await place.asked(SLACK)).invitation.url)


async def confirm_nasty(place: Place, who: Visitor) -> None:
    await who.open((await place.asked(NASTY, agent="<img src=x>\u202eagent" + "x" * 80)).invitation.url)


async def confirm_read(place: Place, who: Visitor) -> None:
    await who.open((await place.asked(GITHUB)).invitation.url)


async def confirm_destructive(place: Place, who: Visitor) -> None:
    await who.open((await place.asked(DELETE)).invitation.url)


async def wrong_target(place: Place, who: Visitor) -> None:
    await confirm_destructive(place, who)
    await who.page.locator("input[name=target]").fill("something else")
    await who.press("approve")


async def task(place: Place, who: Visitor) -> None:
    await who.open((await place.asked(TASK)).invitation.url)


async def task_agreed(place: Place, who: Visitor) -> None:
    await task(place, who)
    await who.press("approve")


async def task_denied(place: Place, who: Visitor) -> None:
    await task(place, who)
    await who.press("deny")


async def task_too_wide(place: Place, who: Visitor) -> None:
    await task(place, who)
    for box in await who.page.get_by_role("checkbox").all():
        await box.uncheck()
    await who.press("approve")


async def provider(place: Place, who: Visitor) -> None:
    place.running.sandbox.switches.github_device_interval = 60
    await who.open((await place.asked(GITHUB)).invitation.url)
    await who.press("approve")


async def provider_waiting(place: Place, who: Visitor) -> None:
    url = (await place.asked(SLACK_READ)).invitation.url
    await who.open(url)
    await who.press("approve")
    await who.open(url)


async def is_that_you(place: Place, who: Visitor) -> None:
    await who.open((await place.asked(SLACK)).invitation.url)
    await who.press("approve")
    await who.press("allow")


async def approved(place: Place, who: Visitor) -> None:
    await who.approve((await place.asked(SLACK)).invitation.url)


async def used(place: Place, who: Visitor) -> None:
    url = (await place.asked(SLACK)).invitation.url
    await who.approve(url)
    await place.carry(SLACK)
    place.pass_time(minutes=2)
    await who.open(url)


async def denied(place: Place, who: Visitor) -> None:
    await confirm(place, who)
    await who.press("deny")


async def expired(place: Place, who: Visitor) -> None:
    url = (await place.asked(SLACK)).invitation.url
    place.pass_time(minutes=11)
    await who.open(url)


async def failed(place: Place, who: Visitor) -> None:
    place.fault("slack", "status:500", path="/api/oauth.v2.user.access")
    await who.approve((await place.asked(SLACK)).invitation.url)


async def wrong_person(_: Place, who: Visitor) -> None:
    await who.open(f"/consent/{'x' * 32}")


async def device(_: Place, who: Visitor) -> None:
    await who.open("/device")


async def wrong_code(_: Place, who: Visitor) -> None:
    await who.open("/device")
    await who.page.get_by_label("Code").fill("BCDF-GHJK")
    await who.press("Continue")


async def allowed(place: Place, who: Visitor) -> None:
    await approved(place, who)
    await place.asked((SLACK[0], SLACK[1] | {"text": "and another"}))
    await who.open("/")


async def connect(place: Place, who: Visitor) -> None:
    await approved(place, who)
    await who.open("/connect")


async def connect_asked(_: Place, who: Visitor) -> None:
    await who.open("/connect")
    await who.press("Connect Slack")


async def nothing_allowed(_: Place, who: Visitor) -> None:
    await who.open("/")


async def activity(place: Place, who: Visitor) -> None:
    await approved(place, who)
    await place.carry(SLACK)
    await place.records()
    await who.open("/activity")


async def record(place: Place, who: Visitor) -> None:
    await activity(place, who)
    await who.page.locator("a[href^='/activity/']").first.click()


async def no_such_page(_: Place, who: Visitor) -> None:
    await who.open("/nowhere")


async def no_passkey(place: Place, who: Visitor) -> None:
    await confirm(place, who)
    await who.press("approve")


async def first_passkey(_: Place, who: Visitor) -> None:
    await who.open("/passkeys")


async def my_passkeys(_: Place, who: Visitor) -> None:
    await who.gets_an_authenticator()
    await who.makes_a_passkey()


async def presence(place: Place, who: Visitor) -> None:
    await my_passkeys(place, who)
    await confirm(place, who)
    await who.press("approve")


async def make_passkey(_: Place, who: Visitor) -> None:
    await who.open("/passkeys")
    await who.press("Make a passkey")


WAYS: dict[str, tuple[Way, dict[str, Any], str]] = {
    "consent": (confirm, {}, "confirm"),
    "consent-nasty": (confirm_nasty, {}, "confirm"),
    "consent-github": (confirm_read, {"signs_in": True}, "confirm"),
    "consent-destructive": (confirm_destructive, SLACK_TOOLS, "confirm"),
    "consent-wrong-target": (wrong_target, SLACK_TOOLS, "confirm"),
    "task": (task, {}, "confirm"),
    "task-agreed": (task_agreed, {}, "approved"),
    "task-denied": (task_denied, {}, "denied"),
    "task-nothing-left": (task_too_wide, {}, "confirm"),
    "provider-code": (provider, {}, "provider"),
    "provider-waiting": (provider_waiting, {}, "provider"),
    "is-that-you": (is_that_you, {}, "account"),
    "approved": (approved, {}, "approved"),
    "used": (used, {}, "used"),
    "denied": (denied, {}, "denied"),
    "expired": (expired, {}, "expired"),
    "failed": (failed, {}, "failed"),
    "wrong-person": (wrong_person, {"signs_in": True}, "wrong_person"),
    "device": (device, {"signs_in": True}, ""),
    "device-wrong-code": (wrong_code, {"signs_in": True}, ""),
    "allowed": (allowed, {"signs_in": True}, ""),
    "allowed-nothing": (nothing_allowed, {}, ""),
    "connect": (connect, {}, ""),
    "connect-asked": (connect_asked, {}, "confirm"),
    "activity": (activity, {}, ""),
    "record": (record, {}, ""),
    "no-such-page": (no_such_page, {}, ""),
    "passkey-none": (no_passkey, PASSKEY, "no_passkey"),
    "passkeys-first": (first_passkey, PASSKEY, ""),
    "passkeys": (my_passkeys, PASSKEY, ""),
    "passkey": (presence, PASSKEY, "presence"),
    "passkey-new": (make_passkey, PASSKEY, "presence"),
}


BROAD = {"activity"}
"""Pages with a table, which stands in columns where there is room."""
PICTURED = WAYS.keys() - {"consent-nasty"}
"""Shown in ``docs/pages.md``: all but the one that is an attack."""


def test_every_page_is_shown_in_the_docs() -> None:
    shown = re.findall(r'src="pictures/([^"]+)"', (DOCS / "pages.md").read_text())
    assert sorted(shown) == sorted(f"{name}-{SHOWN}.png" for name in PICTURED)
    assert [file for file in shown if not (DOCS / "pictures" / file).is_file()] == []


@pytest.mark.parametrize("name", WAYS)
async def test_a_page_is_for_everybody(street: Street, name: str) -> None:
    """MUST 24, 26: WCAG 2.2 AA by axe, light, dark and at 375 px; the content security policy holds."""
    way, settings, state = WAYS[name]
    place = await street.place(**settings)
    who = await street.visitor(place, "alice", **LOOKS["light"])
    await way(place, who)
    assert await who.state == state, await who.text
    for look, wanted in LOOKS.items():
        await who.page.set_viewport_size(
            wanted["viewport"] | ({"width": 1040} if name in BROAD and look != "narrow" else {})
        )
        await who.page.emulate_media(color_scheme=wanted["color_scheme"])
        found = await undisturbed(who, lambda: violations(who.page))
        assert found.violations_count == 0, f"{look}: {found.generate_report()}"
        assert await undisturbed(who, lambda: who.page.evaluate(FITS)), f"{look} scrolls sideways"
        if PICTURES and name in PICTURED and (TAKE != "1" or look == SHOWN):
            await picture(who, PICTURES / f"{name}-{look}.png")
    told = [said for said in who.complaints if "status of 4" not in said]
    assert told == []


async def violations(page: Page) -> AxeResults:
    """What axe finds. Its script is long, so a page reads it once."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    return AxeResults(await page.evaluate("rules => axe.run(rules)", RULES))


async def undisturbed(who: Visitor, look: Callable[[], Awaitable[Found]]) -> Found:
    """A look at the page. One that waits for somebody loads itself anew now and then, in the middle of a look too."""
    for _ in range(LOADS):
        try:
            return await look()
        except Error:
            await who.page.wait_for_load_state()
    return await look()


async def picture(who: Visitor, file: Path) -> None:
    """The whole page in one window, so that the bar with the answers stands where it ends up."""
    size = who.page.viewport_size
    assert size is not None
    height = await who.page.evaluate("document.body.getBoundingClientRect().bottom + 32")
    await who.page.set_viewport_size({"width": size["width"], "height": int(height)})
    taken = small(await who.page.screenshot(type="png"))
    await anyio.Path(file).write_bytes(taken)
    assert len(taken) < SMALL, f"{file.name} is too large"
