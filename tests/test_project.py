"""Contracts on the tree itself: what may be said where, how long a file may be, what is locked and what is shipped."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "loaner"

# Where a secret may become a string, and what for. Anywhere else it stays a `Secret`.
MAY_REVEAL = {
    "secret.py": "compares two of them",
    "store/sealing.py": "puts it under the seal",
    "network.py": "sends the proxy its credentials, in the CONNECT request alone",
    "settings/model.py": "reads the store's URL, with its password, from its reference",
    "audit/signing.py": "makes the signer of checkpoints from its key",
    "keys/references.py": "reads the sealing key from its reference",
    "keys/vault.py": "reads Vault's token from its reference",
    "inventory/probe.py": "asks a key's own provider what it could reach, when a person says so",
    "inventory/swap.py": "puts back the entry of a host's file that it had sealed",
    "identity/client_auth.py": "sends the secret of loaner's own client to the issuer",
    "consent/codes.py": "shows a pending consent's own code to the person it was made for",
    "grants/exchange.py": "sends a code and the client's secret to the token endpoint",
    "grants/grants.py": "packs a token pair for the seal, and unpacks it",
    "lending/styles/down_scoped.py": "names the token to narrow or revoke in a request's body",
    "grants/revoke.py": "names the grant to end in a request's body",
    "grants/token_endpoint.py": "sends a refresh token and the client's secret; packs the answer for the seal",
    "provider_call/echoes.py": "looks for them in what comes back, to take them out",
    "provider_call/transport.py": "puts the loan, or the client's own secret, into the Authorization header",
}

# Where a consent may be made: what lending asks for before it makes a credential.
MAY_CONSENT = {
    "consent/consents.py": "after it looked for a grant and, where the call has to be asked about, for an approval",
    "consent/other_names.py": "the same, by another name of the same thing",
    "consent/consent.py": "says what an approval that was used comes to",
}

# Where the present moment may be asked for. Everything else is handed a `Now`.
MAY_READ_THE_CLOCK = {"clock.py", "sandbox/clock.py"}
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time")}

# The first release of each that no known advisory touches, or whose behaviour the code relies on.
FLOORS = {
    "authlib": "1.9.9",
    "cryptography": "50",
    "httpx2": "2.16",
    "mcp": "2.3",
    "pyjwt": "2.15.1",
    "python-multipart": "0.0.34",
    "starlette": "1.10",
}

TEXT = ("*.py", "*.toml", "*.md", "*.yml", "*.graphql", "*.html", "*.css", "*.cedar")
PLACES = ("src", "tests", "bench", "examples", "docs", "connectors")


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the package by its path, parsed."""
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text("utf-8"))


def calls(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each `owner.method(…)` in a module, as (last name of the owner, method)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            yield owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", ""), node.func.attr


def texts() -> Iterator[Path]:
    """Every text file that a person would read."""
    yield from (ROOT / "run", ROOT / ".ci" / "run", ROOT / "pyproject.toml", *sorted(ROOT.glob("*.md")))
    for place in PLACES:
        for pattern in TEXT:
            yield from sorted((ROOT / place).rglob(pattern))


def locked(name: str) -> dict[str, Version]:
    """The packages of one lock, by name."""
    found = re.findall(
        r"^([a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==([^ \\]+)", (ROOT / "locks" / name).read_text(), re.MULTILINE
    )
    return {package: Version(version) for package, version in found}


def test_secrets_are_revealed_in_the_pinned_modules_and_nowhere_else() -> None:
    revealing = {name for name, tree in modules() if any(method == "reveal" for _, method in calls(tree))}
    assert revealing - {name for name in revealing if name.startswith("sandbox/")} == set(MAY_REVEAL)


def test_a_consent_is_made_where_consents_are_obtained_and_nowhere_else() -> None:
    making = {
        name
        for name, tree in modules()
        if not name.startswith("sandbox/")
        and any(isinstance(n, ast.Call) and getattr(n.func, "id", "") == "Consent" for n in ast.walk(tree))
    }
    assert making == set(MAY_CONSENT)
    users = {name for name, tree in modules() for n in ast.walk(tree) if getattr(n, "id", "") == "by_approval"}
    assert users == {"consent/consents.py", "consent/other_names.py"}


def test_only_the_clock_reads_the_clock() -> None:
    reading = {name for name, tree in modules() if CLOCKS & set(calls(tree))}
    assert reading == MAY_READ_THE_CLOCK


def test_every_file_is_about_one_thought() -> None:
    code = [p for p in texts() if p.suffix == ".py" or p.name == "run"]
    long = {p.relative_to(ROOT).as_posix(): n for p in code if (n := len(p.read_text("utf-8").splitlines())) > 350}
    assert long == {}


def test_no_file_names_a_place_on_the_machine_it_was_written_on() -> None:
    place = re.compile(r"(?<![\w.}])/(?:work|home|root)/\w")
    naming = {p.relative_to(ROOT).as_posix() for p in texts() if place.search(p.read_text("utf-8"))}
    assert naming == set()


@pytest.mark.parametrize("lock", ["runtime.txt", "dev.txt"])
@pytest.mark.parametrize(("package", "floor"), FLOORS.items())
def test_locks_stay_above_the_advisory_floor(lock: str, package: str, floor: str) -> None:
    """MUST 64."""
    assert locked(lock)[package] >= Version(floor)


@pytest.mark.parametrize("lock", ["runtime.txt", "dev.txt"])
def test_every_locked_package_has_a_hash(lock: str) -> None:
    """MUST 64."""
    entries = re.split(r"\n(?=\S)", (ROOT / "locks" / lock).read_text().strip())
    assert [e.split()[0] for e in entries if "--hash=sha256:" not in e] == []


def test_locks_satisfy_what_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime, dev = locked("runtime.txt"), locked("dev.txt")
    declared = [Requirement(line) for line in project["project"]["dependencies"]]
    developing = [Requirement(line) for line in project["dependency-groups"]["dev"] if isinstance(line, str)]
    for requirement, lock in [(r, runtime) for r in declared] + [(r, dev) for r in declared + developing]:
        assert lock[requirement.name.lower()] in requirement.specifier, requirement


def test_the_two_locks_agree() -> None:
    runtime, dev = locked("runtime.txt"), locked("dev.txt")
    assert {name: version for name, version in runtime.items() if dev.get(name) != version} == {}


def test_the_wheel_ships_every_file_of_the_package_and_the_connectors(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("loaner-*.whl")
    shipped = set(zipfile.ZipFile(wheel).namelist())
    connectors = {f"loaner/{p.relative_to(ROOT).as_posix()}" for p in (ROOT / "connectors").rglob("*") if p.is_file()}
    package = {p.relative_to(ROOT / "src").as_posix() for p in SOURCE.rglob("*") if p.is_file()}
    missing = connectors | {name for name in package if "__pycache__" not in name}
    assert len(connectors) >= 3
    assert missing - shipped == set()


def test_no_two_test_files_share_a_name() -> None:
    """Without packages pytest imports each by its name alone: the second would not run."""
    names = [file.name for file in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []


# What takes more than six parameters, and why it may. Nothing is added here that could take a value.
MANY: dict[str, str] = {
    **dict.fromkeys(
        ("usage.usage", "evidence.evidence", "revoke.revoke", "policy.explain", "resume.resume", "sandbox.approve"),
        "a verb's options are its arguments",
    ),
    "serve.serve": "a verb's options are its arguments",
    **dict.fromkeys(
        ("assembly._assemble", "stopping.__init__", "idle.__init__", "revocations.__init__", "lender.__init__"),
        "is handed the rooms that it works with, once",
    ),
    **dict.fromkeys(("consents.__init__", "resolve.__init__"), "is handed the rooms that it works with, once"),
    **dict.fromkeys(
        ("pending_pairs.expect", "shared_calls.add", "journal.intend", "journal.lent", "stored.make", "approvals.make"),
        "the columns of one row, each by its name",
    ),
    "transport.exchange": "the parts of one HTTP request, each by its name",
    "refresh._kept": "what a renewed pair is kept with",
    "prune.prune_records": "what a pruning was told",
    "consents.obtain": "what the steps of a call found out so far",
    "call.call_for": "what the steps of a call found out so far",
}
MOST_PARAMETERS, LONGEST_FUNCTION = 6, 95


def _functions(tree: ast.Module) -> Iterator[tuple[str, int, int]]:
    """Name, lines and parameters of each function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            many = sum(one.arg not in {"self", "cls"} for one in given)
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1, many


def test_the_shape_of_each_package() -> None:
    """Printed with ``pytest -s``: files, lines, the longest file and function, the most parameters."""
    packages: dict[str, list[tuple[str, ast.Module, int]]] = {}
    for name, tree in modules():
        size = len((SOURCE / name).read_text("utf-8").splitlines())
        packages.setdefault(name.partition("/")[0] if "/" in name else ".", []).append((name, tree, size))
    many: set[str] = set()
    long: list[str] = []
    for package, files in sorted(packages.items()):
        functions = [(Path(name).stem, *one) for name, tree, _ in files for one in _functions(tree)]
        sizes = [size for *_, size in files]
        lines, most = max((f[2] for f in functions), default=0), max((f[3] for f in functions), default=0)
        print(  # noqa: T201 - what it is for
            f"{package:14} {len(files):3} files {sum(sizes):6} lines, longest {max(sizes):3}; "
            f"longest function {lines:3}, most parameters {most:2}"
        )
        if package != "sandbox":
            many |= {f"{module}.{name}" for module, name, _, count in functions if count > MOST_PARAMETERS}
            long += [f"{module}.{name}" for module, name, length, _ in functions if length > LONGEST_FUNCTION]
    assert many == set(MANY)
    assert long == []


def test_a_class_name_means_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for name, tree in modules():
        if not name.startswith("sandbox/"):
            for node in tree.body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places.setdefault(node.name, []).append(name)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
