"""What an agent gets of an answer: what was promised, cut where it is long, page by page."""

from __future__ import annotations

import base64

import httpx2
import pytest

from loaner.provider_call import Answer, Reply
from one_call import PROSE, READ, WEB, WRITE, always, carried


async def test_a_result_holds_only_what_was_promised_and_no_nulls() -> None:
    body = {"number": 7, "html_url": None, "state": ["open"], "body": PROSE, "user": {"login": "eve"}}

    reply = await carried(WRITE, always(201, body))

    assert reply == Reply({"number": 7, "labels": [], "assignees": []}, 201)


async def test_a_long_text_is_cut_and_can_be_had_whole() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json=[] if "comments" in request.url.path else {"number": 1, "body": "x" * 9000})

    brief = await carried(("github_issue_read", WEB | {"issue_number": 1}), answer)
    whole = await carried(("github_issue_read", WEB | {"issue_number": 1, "detail": "full"}), answer)

    assert (len(brief.payload["body"]), brief.truncated, brief.payload["truncated"]) == (4000, True, True)
    assert brief.payload["continue_from"] == 4000
    assert (len(whole.payload["body"]), whole.truncated) == (9000, False)
    assert "truncated" not in whole.payload


async def test_a_file_is_decoded_and_read_on_where_it_was_cut() -> None:
    text = "ä" * 30_000
    answer = always(200, {"type": "file", "path": "a", "content": base64.b64encode(text.encode()).decode()})

    first = await carried(("github_get_file_contents", WEB | {"path": "a"}), answer)
    rest = await carried(
        ("github_get_file_contents", WEB | {"path": "a", "from_character": first.payload["continue_from"]}), answer
    )

    assert first.payload["text"] + rest.payload["text"] == text
    assert (first.truncated, rest.truncated) == (True, False)


async def test_a_binary_file_has_no_text() -> None:
    content = base64.b64encode(b"\xff\xfe\x00").decode()

    reply = await carried(
        ("github_get_file_contents", WEB | {"path": "a"}), always(200, {"path": "a", "content": content})
    )

    assert reply.payload == {"path": "a", "binary": True}


async def test_a_file_of_which_only_the_beginning_is_read_says_so() -> None:
    text, size = "ü" * 100, 1_000_000
    parts = iter(
        [
            httpx2.Response(200, json={"path": "a", "encoding": "none", "size": size, "content": ""}),
            httpx2.Response(
                200, content=text.encode()[:-1], headers={"content-type": "application/vnd.github.raw+json"}
            ),
        ]
    )

    reply = await carried(("github_get_file_contents", WEB | {"path": "a"}), lambda _: next(parts))

    assert reply.payload == {
        "path": "a",
        "size": size,
        "text": text[:-1],
        "text_left_out": "what comes after this: the file is larger than what is read of one",
        "truncated": True,
    }


@pytest.mark.parametrize("content", ["", "x"])
async def test_an_empty_content_is_no_empty_file(content: str) -> None:
    answer = always(200, {"path": "a", "encoding": "base64", "size": 7, "content": content})

    reply = await carried(("github_get_file_contents", WEB | {"path": "a"}), answer)

    assert "text" not in reply.payload
    assert reply.payload["text_left_out"] in {"not given by the provider", "not readable"}


async def test_pages_follow_one_another_by_an_opaque_cursor() -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.params.get("page", ""))
        link = (
            '<https://api.github.com/x?page=9>; rel="last", <https://api.github.com/x?per_page=10&page=2>; rel="next"'
        )
        return httpx2.Response(200, json=[{"number": 1}], headers={"Link": link} if len(asked) == 1 else {})

    first = await carried(READ, answer)
    second = await carried((READ[0], READ[1] | {"cursor": first.payload["next_cursor"]}), answer)

    assert asked == ["", "2"]
    assert "next_cursor" not in second.payload


async def test_every_answer_can_be_watched() -> None:
    seen: list[Answer] = []

    await carried(READ, always(200, [], {"X-Accepted-GitHub-Permissions": "issues=read"}), on_answer=seen.append)

    assert [answer.headers["x-accepted-github-permissions"] for answer in seen] == ["issues=read"]
