"""Killed at every point, many times, with the books in PostgreSQL."""

from __future__ import annotations

import pytest

from crash.test_kill import *  # noqa: F403 - each is a test
from crash.test_kill_often import *  # noqa: F403
from stores.test_kill_on_postgresql import anyio_backend, forkserver, linked  # noqa: F401 - fixtures

pytestmark = pytest.mark.soak
