"""More of the same, which takes longer."""

from __future__ import annotations

import pytest

from audit.test_closing_with_the_loan import *  # noqa: F403 - each is a test
from journeys.test_one_call import *  # noqa: F403
from lending.test_refresh import *  # noqa: F403
from stop.test_stop import *  # noqa: F403

pytestmark = pytest.mark.soak
