"""What other sites, forwarded links and bots achieve against a real browser that is signed in: nothing."""

from __future__ import annotations

import httpx2
import pytest
from playwright.async_api import Route
from street import SLACK, Place, Street, Visitor

from loaner.store.tables import approvals, consents, grants

ELSEWHERE = {"another site": "http://evil.example", "another port of this computer": "http://127.0.0.1:9"}


async def signed_in(street: Street) -> tuple[Place, Visitor, str]:
    place = await street.place(signs_in=True)
    alice = await street.visitor(place, "alice")
    url = (await place.asked(SLACK)).invitation.url
    await alice.open(url)
    assert await alice.state == "confirm"
    return place, alice, url


async def rows(place: Place) -> list[object]:
    tables = (consents, approvals, grants)
    return await place.loaner.store.read(lambda c: [c.execute(table.select()).all() for table in tables])


async def served_elsewhere(who: Visitor, origin: str, html: str) -> None:
    async def answer(route: Route) -> None:
        await route.fulfill(content_type="text/html", body=html)

    await who.context.route(f"{origin}/**", answer)


@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.parametrize("knows_the_token", [False, True])
async def test_a_form_of_another_site_decides_nothing(street: Street, where: str, *, knows_the_token: bool) -> None:
    """MUST 25: neither the cookie nor, if it ever leaked, the token is worth anything there."""
    place, alice, url = await signed_in(street)
    token = await alice.page.locator("input[name=form_token]").first.get_attribute("value")
    before = await rows(place)
    fields = {"decision": "approve", "remember": "hour", "form_token": token if knows_the_token else "guess"}
    inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
    page = f'<form method="post" action="{url}">{inputs}</form><script>document.forms[0].submit()</script>'
    await served_elsewhere(alice, ELSEWHERE[where], page)
    async with alice.page.expect_response(url) as answered:
        await alice.page.goto(f"{ELSEWHERE[where]}/win-a-prize")
    answer = await answered.value
    assert answer.request.method == "POST"
    assert answer.status == 403
    assert await rows(place) == before
    await alice.open(url)
    assert await alice.state == "confirm"


@pytest.mark.parametrize("where", ELSEWHERE)
async def test_no_site_can_put_the_page_into_a_frame(street: Street, where: str) -> None:
    """MUST 26."""
    place, alice, url = await signed_in(street)
    await served_elsewhere(alice, ELSEWHERE[where], f'<iframe src="{url}"></iframe>')
    await alice.page.goto(f"{ELSEWHERE[where]}/")
    await alice.page.wait_for_load_state("load")
    assert len(alice.page.frames) == 2
    assert "releases" not in await alice.page.frames[1].content()
    assert alice.page.frames[1].url.startswith("chrome-error:"), "the browser refused to show it there"
    assert place


async def test_a_script_elsewhere_reads_nothing(street: Street) -> None:
    """MUST 25, 26: no CORS, and a window that opens the page cannot look into it."""
    _, alice, url = await signed_in(street)
    await served_elsewhere(alice, "http://evil.example", "<p>hello</p>")
    await alice.page.goto("http://evil.example/")
    read = "url => fetch(url, {credentials: 'include'}).then(a => a.text(), () => 'blocked')"
    assert await alice.page.evaluate(read, url) == "blocked"
    await alice.page.evaluate("url => {window.opened = window.open(url)}", url)
    # Cross-Origin-Opener-Policy cuts the tie, as soon as the page is there.
    await alice.page.wait_for_function("window.opened.closed")


async def test_a_forwarded_link_shows_and_does_nothing(street: Street) -> None:
    """MUST 22: Mallory's question sent to Alice, and Alice's to Bob."""
    place, _, url = await signed_in(street)
    before = await rows(place)
    bob = await street.visitor(place, "bob")
    await bob.open(url)
    assert await bob.state == "wrong_person"
    assert "releases" not in await bob.text
    assert await bob.page.locator("form[action*=consent]").count() == 0
    assert await rows(place) == before


async def test_a_hundred_visits_of_a_bot_change_nothing(street: Street) -> None:
    """MUST 23: with and without the person's own cookies."""
    place, alice, url = await signed_in(street)
    before = await rows(place)
    for turn in range(50):
        answer = await alice.context.request.get(f"{url}?decision=approve&turn={turn}")
        assert answer.status == 200
    async with httpx2.AsyncClient(trust_env=False) as bot:
        for turn in range(50):
            assert (await bot.get(f"{url}?decision=approve&turn={turn}")).status_code == 303
    assert await rows(place) == before


async def test_two_loaners_on_one_computer_do_not_share_a_session(street: Street) -> None:
    """Cookies know no ports, so the cookie's name does."""
    first, second = await street.place(), await street.place(home="second")
    alice = await street.visitor(first, "alice")
    one, other = (await first.asked(SLACK)).invitation.url, (await second.asked(SLACK)).invitation.url
    await alice.open(one)
    await alice.open(other)
    assert len({cookie["name"] for cookie in await alice.context.cookies() if "loaner" in cookie["name"]}) == 2
    await alice.open(one)
    await alice.press("deny")
    assert await alice.state == "denied"
