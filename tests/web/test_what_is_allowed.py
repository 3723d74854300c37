"""What an approval says of itself is what it allows: where it is agreed to, and on the person's own page."""

from __future__ import annotations

from house import House

COMMENT = ("github_add_issue_comment", {"owner": "acme", "repo": "web", "issue_number": 1, "body": "One"})
ELSEWHERE = (COMMENT[0], COMMENT[1] | {"issue_number": 2, "body": "Two"})
ANY = "omment on any issue or pull request of acme/web, any text"


async def test_an_hour_is_not_of_the_first_call_alone(local: House) -> None:
    browser = local.browser(github="alice")
    await browser.open((await local.asked(COMMENT)).invitation.url)
    assert f"C{ANY}: up to 100 times within 1 hour" in browser.text
    await browser.press("approve", remember="hour")
    here, code, link = str(browser.page.url), browser.page.provider_code, browser.link()
    await browser.open(link)
    await browser.press("Continue", user_code=code)
    await browser.press("authorize")
    local.pass_time(seconds=6)
    await browser.open(here)
    await browser.is_me()
    for call in (COMMENT, ELSEWHERE):
        assert (await local.obtain(call)).approval_id
    local.pass_time(minutes=2)
    await browser.open("/")
    assert f" may c{ANY}, 98 times, 58 min left" in browser.text


async def test_an_approval_of_one_call_says_that_one(local: House) -> None:
    browser = local.browser(slack="alice")
    await browser.approve(
        (await local.asked(("slack_send_message", {"channel": "#releases", "text": "Hi"}))).invitation.url
    )
    await browser.open("/")
    assert "may post one message in #releases, exactly what you saw, once, 10 min left" in browser.text
