"""Requests as SDKs write them, beside those of the documentation's examples."""

from __future__ import annotations

import pytest
from github_steps import GitHub, hub


@pytest.mark.parametrize("body", [["bug", "documentation"], {"labels": ["bug", "documentation"]}])
async def test_labels_are_added_as_an_object_or_as_a_bare_array(github: GitHub, body: object) -> None:
    """PyGithub posts the array."""
    token = hub(github.running).tokens.pair("alice")[0].token
    answer = await github.call("POST", "/repos/acme/web/issues/2/labels", token, body)
    assert answer.status_code == 200
    assert {"bug", "documentation"} <= {label["name"] for label in answer.json()}


@pytest.mark.parametrize("body", [[], ["bug"]])
async def test_an_array_where_an_object_is_wanted_is_refused(github: GitHub, body: object) -> None:
    token = hub(github.running).tokens.pair("alice")[0].token
    answer = await github.call("POST", "/repos/acme/web/issues", token, body)
    assert answer.status_code == 400
