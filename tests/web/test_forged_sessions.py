"""Who can write to the database, but has no key, is nobody: no session, and no proof of theirs, counts."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from http import HTTPStatus

import httpx2
import pytest
from sqlalchemy import insert, select, update

from journeys.town import Town, error_of, town
from loaner.store.tables import web_sessions
from loaner.web.sessions import cookie_name

COMMENT = ("github_add_issue_comment", {"owner": "acme", "repo": "web", "issue_number": 1, "body": "x"})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("forged")) as built:
        yield built


async def seen(acme: Town, url: str, browser: str) -> int:
    async with httpx2.AsyncClient(trust_env=False, cookies={cookie_name(acme.loaner.base_url): browser}) as client:
        return (await client.get(url)).status_code


async def test_a_session_that_was_put_into_the_database_is_nobodys(acme: Town) -> None:
    """MUST 52: a row that decides something is made by a holder of the key."""
    async with acme.agent() as agent:
        assert (await acme.decide(await agent.call_tool(*COMMENT))).state == "approved"
        url = error_of(await agent.call_tool(COMMENT[0], {**COMMENT[1], "body": "pwned"}))["url"]
    store, at = acme.loaner.store, acme.loaner.now()
    real = await store.read(
        lambda c: c.execute(select(web_sessions).where(web_sessions.c.subject.is_not(None))).first()
    )
    assert real is not None
    forged = {**real._mapping, "id_hash": hashlib.sha256(b"evil").hexdigest(), "expires_at": at + timedelta(hours=8)}
    await store.write(lambda c: c.execute(insert(web_sessions).values(**forged)) and None)
    assert await seen(acme, url, "evil") == HTTPStatus.SEE_OTHER, "it has to sign in"


async def test_a_session_does_not_become_another_persons(acme: Town) -> None:
    async with acme.agent() as agent:
        assert (await acme.decide(await agent.call_tool(*COMMENT))).state == "approved"
        url = error_of(await agent.call_tool(COMMENT[0], {**COMMENT[1], "body": "pwned"}))["url"]
    mallory = await acme.loaner.store.read(
        lambda c: c.execute(select(web_sessions).where(web_sessions.c.subject.is_not(None))).first()
    )
    assert mallory is not None
    moved = update(web_sessions).values(id_hash=hashlib.sha256(b"evil").hexdigest())
    await acme.loaner.store.write(lambda c: c.execute(moved.where(web_sessions.c.id_hash == mallory.id_hash)) and None)
    assert await seen(acme, url, "evil") == HTTPStatus.SEE_OTHER
