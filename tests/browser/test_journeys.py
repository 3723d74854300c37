"""A person in a real browser connects, approves, denies, waits too long, and takes back."""

from __future__ import annotations

from street import GITHUB, LINEAR, SLACK, SLACK_READ, Call, Street


async def test_slack_is_connected_and_one_message_approved(street: Street) -> None:
    place = await street.place()
    alice = await street.visitor(place, "alice")
    needed = await place.asked(SLACK)
    await alice.approve(needed.invitation.url)
    assert await alice.state == "approved"
    await place.carry(SLACK)
    (record,) = await place.records(kind="call", tool=SLACK[0], outcome="ok")
    assert record["proven_by"] == "local-browser"
    assert alice.complaints == []


async def test_linear_is_connected(street: Street) -> None:
    place = await street.place()
    alice = await street.visitor(place, "alice")
    await alice.approve((await place.asked(LINEAR)).invitation.url)
    assert await alice.state == "approved"
    await place.carry(LINEAR)
    assert alice.complaints == []


async def test_github_is_connected_by_a_code_typed_in_another_tab(street: Street) -> None:
    place = await street.place()
    alice = await street.visitor(place, "alice")
    needed = await place.asked(GITHUB)
    await alice.open(needed.invitation.url)
    await alice.press("approve")
    assert await alice.state == "provider"
    await alice.connect_github()
    place.pass_time(seconds=6)
    await alice.until("account")
    await alice.is_me()
    await place.carry(GITHUB)
    assert alice.complaints == []


async def test_an_hour_is_remembered_for_the_same_operation_and_resource(street: Street) -> None:
    place = await street.place()
    alice = await street.visitor(place, "alice")
    await alice.approve((await place.asked(SLACK)).invitation.url, remember="hour")
    for text in ("one", "two"):
        await place.carry((SLACK[0], SLACK[1] | {"text": text}))
    elsewhere = await place.asked((SLACK[0], SLACK[1] | {"channel": "#general"}))
    assert elsewhere.fresh, "another channel is another question"
    assert len(await place.records(kind="call", tool=SLACK[0], outcome="ok")) == 2


async def test_the_enter_key_denies(street: Street) -> None:
    """MUST 24: Deny is the default, wherever the focus is."""
    place = await street.place()
    alice = await street.visitor(place, "alice")
    await alice.open((await place.asked(SLACK)).invitation.url)
    await alice.page.locator("input[name=remember][value=hour]").focus()
    async with alice.page.expect_navigation():
        await alice.page.keyboard.press("Enter")
    assert await alice.state == "denied"
    assert (await place.refused(SLACK)).code == "consent_denied"


async def test_a_question_that_nobody_answers_runs_out(street: Street) -> None:
    place = await street.place()
    alice = await street.visitor(place, "alice")
    await alice.open((await place.asked(SLACK)).invitation.url)
    place.pass_time(minutes=11)
    await alice.press("approve")
    assert await alice.state == "expired"
    assert (await place.refused(SLACK)).code == "consent_expired"


async def test_what_was_allowed_is_taken_back(street: Street) -> None:
    place = await street.place()
    alice = await street.visitor(place, "alice")
    await alice.approve((await place.asked(SLACK_READ)).invitation.url)
    await place.carry(SLACK_READ)
    await alice.open("/")
    await alice.press("Revoke")
    assert "No account is connected" in await alice.text
    await place.asked(SLACK_READ)
    held = [entry for entry in place.running.sandbox.ledger if entry.kind == "user"]
    assert held
    assert all(entry.revoked_at for entry in held)
    assert alice.complaints == []


async def test_a_code_is_typed_on_another_device(street: Street) -> None:
    place = await street.place(signs_in=True)
    needed = await place.asked(SLACK_READ)
    phone = await street.visitor(place, "alice", viewport={"width": 375, "height": 667}, has_touch=True)
    await phone.open("/device")
    await phone.page.get_by_label("Code").fill(needed.invitation.user_code.lower())
    await phone.press("Continue")
    assert await phone.state == "confirm"
    await phone.press("approve")
    await phone.press("allow")
    await phone.is_me()
    assert await phone.state == "approved"
    await place.carry(SLACK_READ)
    assert phone.complaints == []


async def test_everything_works_without_scripts(street: Street) -> None:
    place = await street.place(signs_in=True)
    alice = await street.visitor(place, "alice", java_script_enabled=False)
    await alice.approve((await place.asked(SLACK)).invitation.url)
    assert await alice.state == "approved"
    await place.carry(SLACK)
    await alice.open((await place.asked(GITHUB)).invitation.url)
    await alice.press("approve")
    await alice.connect_github()
    place.pass_time(seconds=6)
    await alice.until("account")  # the page renews itself without a script
    await alice.is_me()
    assert await alice.state == "approved"
    await alice.open((await place.asked(LINEAR)).invitation.url)
    await alice.press("deny")
    assert await alice.state == "denied"
    await alice.open("/")
    await alice.press("Take back")
    assert "No approval is open" in await alice.text


async def test_everything_works_by_keyboard_alone(street: Street) -> None:
    """Every stop of the Tab key can be seen, and none hides behind the bar with the answers (WCAG 2.2 §2.4.11)."""
    place = await street.place()
    alice = await street.visitor(place, "alice", viewport={"width": 375, "height": 500})
    await alice.open((await place.asked(SLACK)).invitation.url)
    stops = []
    for _ in range(12):
        await alice.page.keyboard.press("Tab")
        stops.append(await alice.page.evaluate(FOCUSED))
        if stops[-1]["name"] == "approve":
            break
    assert [stop["name"] for stop in stops] == ["once", "deny", "approve"]
    assert all(stop["seen"] for stop in stops), stops
    async with alice.page.expect_navigation():
        await alice.page.keyboard.press("Space")
    assert "/oauth" in alice.page.url
    for _ in range(12):
        await alice.page.keyboard.press("Tab")
        if await alice.page.evaluate("document.activeElement.value") == "allow":
            break
    async with alice.page.expect_navigation():
        await alice.page.keyboard.press("Enter")
    await alice.is_me()
    assert await alice.state == "approved"


FOCUSED = """() => {
    const one = document.activeElement, box = one.getBoundingClientRect();
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return {name: one.value, seen: top === one && box.top >= 0 && box.bottom <= innerHeight};
}"""


async def test_no_choice_hides_behind_the_answers(street: Street) -> None:
    """Scrolled to the end, everything above the bar can be read and touched."""
    place = await street.place()
    alice = await street.visitor(place, "alice", viewport={"width": 375, "height": 600}, has_touch=True)
    await alice.open((await place.asked(SLACK)).invitation.url)
    for choice in ("hour", "once"):
        await alice.page.locator(f"input[value={choice}]").tap()
        assert await alice.page.locator(f"input[value={choice}]").is_checked()
    bar = await alice.page.locator(".answers").bounding_box()
    assert bar is not None
    assert bar["y"] + bar["height"] <= 600, "the answers are always in reach"


async def test_a_task_is_trimmed_agreed_to_and_ended(street: Street) -> None:
    """The person makes it smaller on the page, and smaller it is."""
    place = await street.place()
    alice = await street.visitor(place, "alice")
    await alice.approve((await place.asked(SLACK)).invitation.url)
    await place.carry(SLACK)
    proposal: Call = (
        "loaner_propose_task",
        {
            "purpose": "Announce the release",
            "operations": [{"tool": "slack_send_message", "count": 10}, {"tool": "slack_read_channel"}],
            "resources": ["#releases", "#general"],
        },
    )
    await alice.open((await place.asked(proposal)).invitation.url)
    await alice.page.locator("input[name=tool-1]").uncheck()
    await alice.page.locator("input[name=resource-1]").uncheck()
    await alice.page.locator("input[name=count-0]").fill("2")
    await alice.page.locator("input[name=minutes]").fill("30")
    await alice.press("approve")
    assert await alice.state == "approved"
    for text in ("one", "two"):
        await place.carry((SLACK[0], SLACK[1] | {"text": text}))
    await place.asked((SLACK[0], SLACK[1] | {"text": "three"}))
    await place.asked((SLACK[0], {"channel": "#general", "text": "one"}))
    await alice.open("/")
    await alice.press("End")
    assert "No task runs" in await alice.text
    assert alice.complaints == []
