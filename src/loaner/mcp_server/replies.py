"""How an outcome is told to a model.

On success the payload is the structured result and the text is made from it: some hosts show a model only the
one, some only the other. An error never carries ``structuredContent``: a client that checks it against the
tool's output schema would hide our words behind its own complaint.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final

import structlog
from mcp_types import CallToolResult, TextContent

from loaner.errors import LoanerError
from loaner.reference import new_reference

log = structlog.get_logger(__name__)

ERROR_META: Final = "dev.loaner/error"
"""Key in ``_meta`` under which machines find an error's facts."""


def success(payload: Mapping[str, Any]) -> CallToolResult:
    structured = dict(payload)
    text = json.dumps(structured, ensure_ascii=False, separators=(",", ":"))
    return CallToolResult(content=[TextContent(text=text)], structured_content=structured)


def failure(error: LoanerError) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=error.told())], is_error=True, _meta={ERROR_META: error.facts()})


def unexpected(surprise: Exception) -> LoanerError:
    """Fixed words for a fault of ours, with a reference that the operator finds in the log.

    The exception's own text may hold anything, a token included, so it reaches neither the wire nor a span nor
    the log; its type and the place it came from are enough to find the fault.
    """
    ref = new_reference()
    place = traceback.extract_tb(surprise.__traceback__)
    at = f"{PurePath(place[-1].filename).name}:{place[-1].lineno}" if place else "nowhere"
    log.error("unexpected fault", kind=type(surprise).__qualname__, at=at, ref=ref)
    return LoanerError(
        f"loaner failed in a way it does not know; ref {ref}.",
        do="If the call was to change something, check whether it happened before repeating it.",
        dont="Don't try to reach it by another tool.",
    )
