"""Every spelling of a name is bound as the one canonical name, or refused."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from loaner import catalog
from loaner.catalog import Catalog
from loaner.catalog.form import Form
from loaner.errors import InvalidArguments


@cache
def tools() -> Catalog:
    return catalog.load()


FORMS = [(provider.name, name) for provider in tools().providers.values() for name in provider.forms]


@pytest.mark.parametrize(("provider", "name"), FORMS)
@given(data=st.data())
def test_a_canonical_name_is_its_own_and_has_the_shape_of_its_form(provider: str, name: str, data: Any) -> None:
    form = tools().providers[provider].forms[name]
    written = data.draw(st.from_regex(form.pattern, fullmatch=True))
    assume(form.fits(written))
    assert re.fullmatch(form.written, written), "what the schema says takes every name"
    canonical = form.canonical(written)
    assert form.fits(canonical)
    assert form.canonical(canonical) == canonical


def spellings(name: str) -> st.SearchStrategy[str]:
    """The same letters, each in either case."""
    return st.tuples(*(st.sampled_from((letter.lower(), letter.upper())) for letter in name)).map("".join)


ALIASES = {
    "github": (
        "github_issue_read",
        {"issue_number": 1},
        {"owner": spellings("acme"), "repo": spellings("secrets")},
        "repository:acme/secrets",
    ),
    "slack channel": ("slack_send_message", {"text": "hi"}, {"channel": spellings("#releases")}, "channel:#releases"),
    "slack person": (
        "slack_find_user_by_email",
        {},
        {"email": spellings("ada@acme.example")},
        "person:ada@acme.example",
    ),
    "slack people": (
        "slack_open_dm",
        {},
        {"users": st.permutations(["U0000001", "U0000002", "U0000001", "U0000002"])},
        "people:U0000001,U0000002",
    ),
    "linear issue": ("linear_get_issue", {}, {"id": spellings("ENG-12")}, "issue:ENG-12"),
    "linear issue id": (
        "linear_get_issue",
        {},
        {"id": spellings("0a1b2c3d-0000-4000-8000-00000000abcd")},
        "issue:0a1b2c3d-0000-4000-8000-00000000abcd",
    ),
    "linear team": ("linear_list_issues", {}, {"teamId": spellings("ENG")}, "team:ENG"),
}  # fmt: skip


@pytest.mark.parametrize("which", ALIASES)
@given(data=st.data())
def test_every_spelling_is_bound_as_one_call_on_one_resource(which: str, data: Any) -> None:
    tool, rest, aliases, resource = ALIASES[which]
    one, other = (
        tools()[tool].bind({**rest, **{name: data.draw(spelling) for name, spelling in aliases.items()}})
        for _ in range(2)
    )
    assert one.scope == other.scope
    assert one.scope.resource == resource
    assert one.digest == other.digest
    assert one.arguments == other.arguments
    assert one.plan() == other.plan(), "what is ruled on is what is sent"


LOOKED_UP = [
    (tool.tool, name, tool.provider.lookups[param.lookup], tool.provider.forms[str(param.form)])
    for tool in tools().operations
    for name, param in tool.params.items()
    if param.lookup
]


@pytest.mark.parametrize(
    ("tool", "name", "lookup", "form"), LOOKED_UP, ids=lambda one: one if isinstance(one, str) else ""
)
@given(data=st.data())
def test_what_an_argument_may_be_is_an_id_or_is_looked_up(
    tool: str, name: str, lookup: Any, form: Form, data: Any
) -> None:
    """Neither would go out as an id of nothing, and be answered with an empty list."""
    written = data.draw(st.from_regex(form.written, fullmatch=True))
    assume(form.takes(written))
    bound = tools()[tool].params[name].canonical(written, {str(tools()[tool].params[name].form): form})
    if not lookup.needed(bound):
        assert re.fullmatch(lookup.ids, bound)
        assert form.fits(bound), "an id is a name of its own"


REPO = {"owner": "acme", "repo": "web"}
FILE = {"message": "m", "content": "c", "path": "a.txt"}
REFUSED = {
    "a repository's clone name": ("github_list_issues", {"owner": "acme", "repo": "web.git"}),
    "the same in capitals": ("github_list_issues", {"owner": "acme", "repo": "web.GIT"}),
    "the Kelvin sign": ("slack_send_message", {"channel": "#\u212aeys", "text": "hi"}),
    "a dotted capital": ("slack_send_message", {"channel": "#rev\u0130ew", "text": "hi"}),
    "full-width letters": ("slack_send_message", {"channel": "#\uff52eleases", "text": "hi"}),
    "a decomposed letter": ("slack_send_message", {"channel": "#cafe\u0301", "text": "hi"}),
    "a mention": ("slack_send_message", {"channel": "<#C0SBX000002|releases>", "text": "hi"}),
    "a channel without its sign": ("slack_send_message", {"channel": "releases", "text": "hi"}),
    "an id in small letters": ("slack_send_message", {"channel": "c0sbx000002", "text": "hi"}),
    "a blank before it": ("github_list_issues", {"owner": " acme", "repo": "web"}),
    "a blank after it": ("linear_get_issue", {"id": "ENG-1 "}),
    "percent-encoded": ("github_list_issues", {"owner": "acme", "repo": "we%62"}),
    "a whole ref": ("github_create_or_update_file", REPO | FILE | {"branch": "refs/heads/main"}),
    "half a ref": ("github_create_or_update_file", REPO | FILE | {"branch": "heads/main"}),
    "whatever HEAD is": ("github_get_file_contents", REPO | {"path": "a.txt", "ref": "HEAD"}),
    "an entry of the reflog": ("github_get_file_contents", REPO | {"path": "a.txt", "ref": "main@{0}"}),
    "a workflow's number": ("github_run_workflow", REPO | {"workflow_id": "161335", "ref": "main"}),
    "a number with zeros before it": ("linear_get_issue", {"id": "ENG-012"}),
    "an issue's page": ("linear_get_issue", {"id": "https://linear.app/acme/issue/ENG-1/login"}),
    "an id without hyphens": ("linear_get_issue", {"id": "0a1b2c3d000040008000000000000abc"}),
    "a team's name with a blank after it": ("linear_list_issues", {"teamId": "Engineering "}),
    "a team's name for a person": ("linear_update_issue", {"id": "ENG-1", "assigneeId": "Engineering"}),
    "two labels in one": ("github_list_issues", REPO | {"labels": ["bug,secret"]}),
    "a label with a blank": ("github_add_labels", REPO | {"issue_number": 1, "labels": ["deploy "]}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_another_spelling_that_has_no_canonical_one_is_refused(what: str) -> None:
    tool, arguments = REFUSED[what]
    with pytest.raises(InvalidArguments):
        tools()[tool].bind(arguments)


FOLDED = {
    "a login": ("github_list_issues", REPO | {"assignee": "Alice"}, "assignee", "alice"),
    "labels, whatever their order": (
        "github_add_labels",
        REPO | {"issue_number": 1, "labels": ["Deploy", "bug", "deploy"]},
        "labels",
        ("bug", "deploy"),
    ),
    "a sha": ("github_delete_file", REPO | {"path": "A.txt", "message": "m", "sha": "ABCDEF01"}, "sha", "abcdef01"),
    "a file path, as it is": (
        "github_get_file_contents",
        REPO | {"path": "Docs/README.md"},
        "path",
        "Docs/README.md",
    ),
    "a branch, as it is": ("github_get_file_contents", REPO | {"path": "a", "ref": "Fix"}, "ref", "Fix"),
}


@pytest.mark.parametrize("what", FOLDED)
def test_what_the_rules_see_of_an_argument_is_canonical_too(what: str) -> None:
    tool, arguments, name, value = FOLDED[what]
    assert tools()[tool].bind(arguments).arguments[name] == value


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("Acme/Web", "acme/web"),
        ("repository:Acme/Web", "repository:acme/web"),
        ("Acme/web#12", "acme/web#12"),
        ("ACME/web/Docs/README.md", "acme/web/Docs/README.md"),
        ("#Releases/1732272000.000100", "#releases/1732272000.000100"),
        ("eng-12", "ENG-12"),
        ("team:eng", "team:ENG"),
        ("workspace", "workspace"),
        ("*", "*"),
        ("acme/web.git", "acme/web.git"),
    ],
)
def test_what_a_task_names_is_spelled_as_calls_spell_it(written: str, canonical: str) -> None:
    assert tools().names.resource(written) == canonical


def test_content_is_sent_and_shown_as_it_was_written() -> None:
    """A label that is not there yet is created in the very letters that are sent."""
    written = ["Needs Triage", "bug"]
    one = tools()["github_add_labels"].bind(REPO | {"issue_number": 1, "labels": written})
    other = tools()["github_add_labels"].bind(REPO | {"issue_number": 1, "labels": ["BUG", "needs triage"]})
    assert one.arguments == other.arguments, "for rules they are the same"
    assert one.digest != other.digest, "and a yes is for the letters that were shown"
    assert one.plan()[-1].body == {"labels": written}
    assert one.payload[-1] == ("labels", "Needs Triage, bug")


def test_a_form_without_a_fold_takes_letters_as_they_are() -> None:
    plain = Form(pattern="[A-Za-z]+", means="letters")
    assert plain.canonical("Ab") == "Ab"
    assert not re.search("[a-z]", Form(pattern="[A-Za-z]+", means="letters", fold=({"case": "upper"},)).canonical("Ab"))


def test_what_a_task_fixes_is_folded_only_where_its_provider_folds() -> None:
    """A login is one person in any case; a label that is not there yet is made in the letters that are sent."""
    issue = REPO | {"issue_number": 1}
    one = tools()["github_issue_update"].bind(issue | {"labels": ["Needs Triage", "bug"], "assignees": ["Alice"]})
    other = tools()["github_issue_update"].bind(issue | {"labels": ["bug", "needs triage"], "assignees": ["alice"]})
    again = tools()["github_issue_update"].bind(issue | {"labels": ["bug", "Needs Triage"], "assignees": ["ALICE"]})
    assert one.agreed["assignees"] == other.agreed["assignees"] == ("alice",)
    assert one.agreed["labels"] != other.agreed["labels"]
    assert one.agreed == again.agreed


def test_once_the_canonical_name_is_known_rules_see_it_in_the_arguments_too() -> None:
    one = tools()["linear_list_issues"].bind({"teamId": "Operations", "assignee": "me"})
    assert one.called("OPERATIONS", "OPS").arguments == {**one.arguments, "teamId": "OPS"}
    assert one.called("Sales", "OPS") is one
