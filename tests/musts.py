"""Which test holds which requirement: read from the docstrings that cite it, as ``MUST 7`` or ``MUSTs 2-5``.

``./run docs`` writes the table; a test holds the table to the tests.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parent
CITED = re.compile(r"MUSTs? (\d+(?:(?:, | and |[-–])\d+)*)")
REQUIRED = {
    1: "Host and Origin are compared exactly, on every door",
    2: "Every route knows who asks, on loopback too",
    3: "An access token's issuer, audience, expiry, start and subject are checked here",
    4: "Only a token of the type `at+jwt`, or of one that a setting names, opens the MCP door; an ID token never does",
    5: "Asymmetric algorithms from a list; `crit`, `jwk`, `jku`, `x5u` get nobody in",
    6: "The issuer's keys come over pinned HTTPS, small, without redirects, throttled; an outage refuses",
    7: "A person is issuer and `sub`, never a name or a mail address",
    8: "The metadata names exactly the URL that was asked for; 401 points to it, 403 names the scope",
    9: "An agent's own token never reaches a provider",
    10: "No token is taken from a query",
    11: "Lists are private to their principal; a call is checked again",
    12: "Policy reads the body; a header that says otherwise is refused",
    13: "Unknown arguments are refused, sizes are bounded",
    14: "What a client carries for us is sealed, bound to its principal, brief, and good for one turn on any replica",
    15: "A handle is 128 random bits and no authority: another's is as unknown as none",
    16: "A client that leaves cancels its call, and the key is given back all the same",
    17: "stdout over stdio carries the protocol and nothing else",
    18: "A user code has 34 bits and ten minutes, and is stored as a hash",
    19: "Five wrong codes a browser, a hundred a person, ten thousand in all; one answer for every wrong one",
    20: "A device code is bound and redeemed once",
    21: "RFC 8628's words are obeyed as a client, `slow_down` for good; agents have a page and no endpoint to poll",
    22: "The browser's person is the one who was asked, and the provider's account the one expected",
    23: "A link carries no authority, and GET changes nothing",
    24: "The page says who, what, where, how wide and from where; Deny is the default; nothing hides in a name",
    25: "Cookie, form token, Origin and Fetch Metadata; POST only",
    26: "No script, no framing, no store, no referrer, 303",
    27: "An approval is of this agent, person, connector, arguments and policy",
    28: "An approval of one serves no other agent and nothing wider",
    29: "Few questions wait for one person at a time",
    30: "Redirects: S256, a one-time state of this browser session, `iss`, an exact redirect URI",
    31: "A grant wider or narrower than asked is refused",
    32: "What has no scope has no permission",
    33: "A credential is for one call of one person",
    34: "The intent is on disk before a credential is asked for, and the credential before it is used",
    35: "A credential is returned on success, on an error, at a timeout and when a client leaves",
    36: "A credential is called ended after the provider confirmed it, and is listed until then",
    37: "Once a stop has returned, nothing of what it covers reaches a provider",
    38: "Of many processes one renews a grant, and the new pair is written before it is used",
    39: "A grant that its provider ended is set aside, and its person is asked; nothing goes round",
    40: "Of an exchanged token only the outermost `act` says who the agent is",
    42: "No credential is in what an agent, a person or a record is told, also where a provider repeats it",
    43: "A secret is kept in its sealed column and nowhere else on disk",
    44: "A call goes to the hosts of its connector; no argument names one",
    45: "An address that an answer names is public, looked up once; no redirect and no environment leads elsewhere",
    46: "An argument in a path is one checked, encoded segment",
    47: "A GraphQL document is fixed; arguments are its variables",
    48: "No header is made of an argument",
    49: "An answer ends at a size after decoding, a depth and a deadline",
    50: "Only a read is sent again, and a provider that asks for time gets it",
    51: "What is posted makes nobody's server fetch a link",
    52: "A sealed value opens in its own row alone, and a row that decides something carries our tag",
    53: "The sealing key is changed while servers write; a destroyed key opens nothing",
    54: "No key by default, none too short, none in a file that others can read",
    55: "Codes, cookies and states are stored as hashes",
    56: "A cursor is its owner's alone",
    57: "A record is written with the change it describes; what cannot be recorded is withheld",
    58: "A record that is changed, dropped, moved, forked or cut off before a checkpoint is noticed",
    59: "A record says who did what, with which scope and outcome, and nothing that is secret or acts on its reader",
    60: "No log, span, error or page shows what is secret",
    61: "No core dump, and no other program of the user reads our memory",
    63: "Bodies, connections, sessions, sign-ins and rates are bounded, for each person",
    64: "Every locked package has a hash and stands above the advisories that are known",
}
NOT_HERE = {
    41: (
        "DPoP where a provider offers it",
        "GitHub, Linear and Slack take bearer tokens alone, so a lent credential is bounded by its scope and its life",
    ),
    62: ("A webhook is authenticated before it is read", "loaner has no door for them: it acts when an agent calls"),
}
"""What does not apply, and why."""
ALL = range(1, 65)


def cited(text: str) -> set[int]:
    numbers: set[int] = set()
    for found in CITED.finditer(text):
        for part in re.split(r", | and ", found[1]):
            first, _, last = part.replace("–", "-").partition("-")
            numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def tests_by_requirement() -> dict[int, list[str]]:
    """For each requirement the tests that cite it, by themselves or for all of their file."""
    found: dict[int, list[str]] = defaultdict(list)
    for file in sorted(TESTS.rglob("test_*.py")):
        module = ast.parse(file.read_text())
        name = file.relative_to(TESTS.parent)
        of_all = cited(ast.get_docstring(module) or "")
        for number in of_all:
            found[number].append(f"{name}")
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for number in cited(ast.get_docstring(node) or "") - of_all:
                    found[number].append(f"{name}::{node.name}")
    return found


def table() -> str:
    found = tests_by_requirement()
    rows = [
        f"| {number} | {what} | {'<br>'.join(f'`{one}`' for one in found[number]) or '**none**'} |"
        for number, what in REQUIRED.items()
    ] + [f"| {number} | {what} | does not apply: {why} |" for number, (what, why) in NOT_HERE.items()]
    rows.sort(key=lambda row: int(row.split()[1]))
    head = (
        "# What must hold, and the test that would fail without it\n\n"
        "Written by `./run docs` from the tests' own docstrings.\n\n| | requirement | tests |\n| --- | --- | --- |\n"
    )
    return head + "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(table(), end="")  # noqa: T201 - it is written to a file by ./run docs
