"""Which redirect URIs a registered app lists: one path on loopback, on any port (RFC 8252 §7.3)."""

from __future__ import annotations

import re
from collections.abc import Callable


def on_loopback(path: str) -> Callable[[str], bool]:
    """Says of a redirect URI whether it is exactly that path on this machine."""
    # A pattern of the whole: URL parsers forgive tabs, line breaks and empty fragments, which a header does not.
    allowed = re.compile(rf"http://(127\.0\.0\.1|localhost):[0-9]{{1,5}}{re.escape(path)}")
    return lambda uri: allowed.fullmatch(uri) is not None
