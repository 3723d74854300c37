"""A person's yes without pages of loaner: at the providers' own, and in loaner's rooms what the pages would call."""

from __future__ import annotations

import ssl
from urllib.parse import parse_qsl, urljoin, urlsplit

import anyio.to_thread
import httpx2
from sqlalchemy import update

from loaner.assembly import Loaner
from loaner.consent.reading import Choice
from loaner.identity.caller import Subject
from loaner.sandbox import pages
from loaner.sandbox.person import Person
from loaner.store.tables import consents

NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
SESSION = "5e" * 32


async def agree(loaner: Loaner, subject: Subject, handle: str, sandbox: str, account: str = "alice") -> None:
    """Who owns ``account`` says yes to a question, here and at the provider; for an hour, where that can be said."""
    asked = await loaner.consents.question(handle, subject)
    assert asked
    reading = Choice("everything", "all") if "reads" in asked.shown else None
    page = await loaner.consents.approve(asked, remember="hour", proven_by="session", session=SESSION, reading=reading)
    if page:
        back = await at_provider(page, asked.provider, sandbox, account)
        await loaner.consents.returned(asked.provider, back, session=SESSION, subject=subject)
        await is_me(loaner, subject, handle)
        return
    asked = await loaner.consents.question(handle, subject)
    if asked and (code := loaner.consents.provider_code_of(asked)):
        await anyio.to_thread.run_sync(Person(account, sandbox).approve, code)
        # As if the provider's interval had passed, and with it the turn of a process that died while it polled.
        due = update(consents).where(consents.c.handle == handle).values(poll_after=loaner.now(), lease_until=None)
        await loaner.store.write(lambda c: c.execute(due) and None)
        await loaner.consents.poll_due()
        await is_me(loaner, subject, handle)


async def is_me(loaner: Loaner, subject: Subject, handle: str) -> None:
    """Where the page asks whether the account at the provider is theirs: it is."""
    asked = await loaner.consents.question(handle, subject)
    if asked and asked.state == "account":
        await loaner.consents.approve(asked, remember="once", proven_by="session", session=SESSION)


async def at_provider(page: str, provider: str, sandbox: str, account: str) -> dict[str, str]:
    """Press "allow" on a provider's page; what it sends the browser back with."""
    cookies = httpx2.Cookies()
    cookies.set(f"sandbox_{provider}", account, domain="127.0.0.1", path=f"/{provider}")
    async with httpx2.AsyncClient(base_url=sandbox, cookies=cookies, verify=NOBODY, trust_env=False) as browser:
        answer = await browser.get(page)
        if not answer.has_redirect_location:
            shown = pages.read(str(answer.url), answer.status_code, answer.text)
            form, button = next((form, one) for form in shown.forms for one in form.buttons if one.value == "allow")
            sent = form.fields | {button.name: button.value}
            answer = await browser.post(urljoin(page, form.action), data=sent)
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))
