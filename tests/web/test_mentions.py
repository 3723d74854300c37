"""A text that notifies people says so on its page, and one that notifies many is agreed to by its exact words alone."""

from __future__ import annotations

import re
from html import unescape

from house import House

TOOL = "slack_send_message"
RINGING = {"channel": "#releases", "text": "<!channel> look, <@U00BOB0002> and <@U00BOB0002>"}


async def test_the_page_says_whom_the_text_notifies_and_offers_no_wider_yes(local: House) -> None:
    browser = local.browser(slack="alice")
    await browser.open((await local.asked((TOOL, RINGING))).invitation.url)
    told = unescape(" ".join(browser.text.split()))
    assert "Notifies everybody in the channel : 1 × <!channel>" in told
    assert "a person : 2 × <@U00BOB0002>" in told
    assert "within 1 hour" not in told


async def test_what_notifies_is_marked_where_it_stands_in_the_text(local: House) -> None:
    """Also inside of Markdown, where it is easily overlooked."""
    text = "**read** `this` <!here|here>, _@channel_ <b> <@U00BOB0002>"
    browser = local.browser(slack="alice")
    html = (await browser.open((await local.asked((TOOL, RINGING | {"text": text}))).invitation.url)).text
    assert re.findall("<mark>(.*?)</mark>", html) == [
        "&lt;!here|here&gt;",
        "@channel",
        "&lt;@U00BOB0002&gt;",
    ]
    assert "&lt;b&gt;" in html


async def test_a_quiet_text_has_no_such_line_and_the_wider_yes(local: House) -> None:
    browser = local.browser(slack="alice")
    await browser.open((await local.asked((TOOL, RINGING | {"text": "look"}))).invitation.url)
    assert "Notifies" not in browser.text
    assert "within 1 hour" in browser.text


async def test_an_hours_yes_lets_no_text_through_that_notifies_many(local: House) -> None:
    """MUST 28: an injected one is put before the person, with its exact words."""
    browser = local.browser(slack="alice")
    await browser.open((await local.asked((TOOL, RINGING | {"text": "look"}))).invitation.url)
    await browser.press("approve", remember="hour")
    await browser.press("allow")
    await browser.is_me()
    await local.obtain((TOOL, RINGING | {"text": "look again, <@U00BOB0002>"}))
    assert (await local.asked((TOOL, RINGING))).fresh
