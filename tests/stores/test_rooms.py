"""What the rooms promise of SQLite in their own suites holds on PostgreSQL too: the same tests, another store."""

from __future__ import annotations

import pytest

from audit.test_chain import *  # noqa: F403 - each is a test
from consent.test_approvals import *  # noqa: F403
from consent.test_questions import *  # noqa: F403
from lending.test_ways_out import *  # noqa: F403
from stop.test_elsewhere import *  # noqa: F403

pytestmark = pytest.mark.often
