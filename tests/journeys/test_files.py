"""A file is read whatever its size; what is no text, or not in the repository, says what it is. Never an empty text."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from journeys.town import Town, error_of, text_of, town
from loaner.sandbox.github.git import Signature
from loaner.sandbox.github.state import Pointer

WEB = {"owner": "acme", "repo": "web"}
LONG = json.dumps({"lines": ["straße"] * 60}, ensure_ascii=False)
FILES = {
    "long.json": LONG.encode(),
    "long.bin": bytes(range(256)) * 2,
    "wide.txt": "straße".encode("utf-16") * 30,
    "short.bin": b"\x00\x01",
    "empty.txt": b"",
    "huge.iso": b"x" * 2000,
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("files")) as built:
        hub: Any = built.running.sandbox.inside["github"]
        web, alice = hub.world.find("acme/web"), hub.world.accounts["alice"]
        blobs = {path: web.git.add_blob(raw) for path, raw in FILES.items()}
        web.git.commit_on("main", blobs, "Files", Signature(alice.name, alice.email, hub.now()))
        web.links["latest"] = Pointer("../elsewhere", "a" * 40, 12)
        web.submodules["vendor"] = Pointer("https://github.com/acme/vendor.git", "b" * 40)
        built.running.sandbox.switches.update({"github_inline_bytes": 400, "github_largest_blob": 1500})
        async with built.agent() as agent:
            await built.call(agent, "github_get_repository", WEB)
        yield built


async def read(acme: Town, path: str) -> Any:
    async with acme.agent() as agent:
        return await acme.call(agent, "github_get_file_contents", WEB | {"path": path})


async def test_a_long_file_is_fetched_as_it_is_under_the_same_credential(acme: Town) -> None:
    """It is JSON, and comes with a media type of JSON: its text is given all the same."""
    answer = await read(acme, "long.json")
    assert answer.structured_content["text"] == LONG
    assert "text_left_out" not in answer.structured_content
    record = (await acme.records(tool="github_get_file_contents"))[-1]
    (loan,) = acme.ledger(fingerprint=record["fingerprint"])
    assert [use["path"] for use in loan["uses"]] == ["/repos/acme/web/contents/long.json"] * 2
    assert loan["permissions"] == {"contents": "read", "metadata": "read"}


@pytest.mark.parametrize("path", ["long.bin", "wide.txt", "short.bin"])
async def test_what_is_no_text_says_so(acme: Town, path: str) -> None:
    held = (await read(acme, path)).structured_content
    assert (held["binary"], held["size"], "text" in held) == (True, len(FILES[path]), False)


async def test_an_empty_file_is_empty(acme: Town) -> None:
    held = (await read(acme, "empty.txt")).structured_content
    assert (held["text"], held["size"]) == ("", 0)


async def test_what_the_provider_gives_to_nobody_is_too_large(acme: Town) -> None:
    answer = await read(acme, "huge.iso")
    assert error_of(answer)["code"] == "provider_rejected"
    assert "too large" in text_of(answer)


@pytest.mark.parametrize("path", ["README.md", "src", "", "long.json"])
async def test_an_address_that_lets_anybody_fetch_a_private_file_is_passed_on_to_nobody(acme: Town, path: str) -> None:
    hub: Any = acme.running.sandbox.inside["github"]
    headers = {"Authorization": f"Bearer {hub.tokens.pair('alice')[0].token}", "User-Agent": "test"}
    async with httpx2.AsyncClient(trust_env=False) as client:
        raw = await client.get(f"{hub.api}/repos/acme/web/contents/{path}", headers=headers)
    assert "?token=AAAA" in raw.text
    answer = await read(acme, path)
    assert not answer.is_error, text_of(answer)
    assert "token=" not in f"{answer.content} {answer.structured_content}"


async def test_a_link_and_a_submodule_say_where_they_lead(acme: Town) -> None:
    link, module = (await read(acme, "latest")).structured_content, (await read(acme, "vendor")).structured_content
    assert (link["type"], link["target"], "text" in link) == ("symlink", "../elsewhere", False)
    assert (module["type"], module["submodule_url"]) == ("submodule", "https://github.com/acme/vendor.git")
