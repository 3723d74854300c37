"""Text from outside, made safe to keep and to print.

A record outlives the call and is read in terminals, spreadsheets and log viewers, so nothing in it may move a
cursor, start a new line, reorder what is read, or be a credential (OWASP ASVS 16.4.1).
"""

from __future__ import annotations

import re

from loaner.characters import marked
from loaner.secret import KEY_SHAPE, fingerprint

LONGEST = 256
"""Characters that one field of a record may have."""

# An agent can put anything where a tool's name or a repository's name belongs, even a key that it has found.
# Besides providers' keys, a JWT's beginning.
_KEY = re.compile(rf"{KEY_SHAPE.pattern}|eyJ[A-Za-z0-9_.\-]{{16,}}")


def plain(text: str, longest: int = LONGEST) -> str:
    """``text`` on one line, without hidden characters or anything shaped like a key, at most ``longest`` long.

    Saying it twice changes nothing, so a draft can be journalled and read back any number of times.
    """
    if len(text) > longest * 16:
        text = text[: longest * 8] + text[-longest * 8 :]  # bounds the work; what is cut here would be cut below
    shown = marked(_KEY.sub(lambda found: f"[key {fingerprint(found[0])[:8]}]", text))
    end = longest // 3  # what matters may stand at either end
    return shown if len(shown) <= longest else f"{shown[: longest - end - 1]}…{shown[-end:]}"
