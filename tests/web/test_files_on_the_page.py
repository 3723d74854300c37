"""A commit of several files is agreed to file by file: each path and text is on the page, the long ones to open."""

from __future__ import annotations

import re
from typing import Any

from house import House

BAD = "rm -rf / # the harmful line"
LONG = "harmless line\n" * 4_000 + BAD
COMMIT: dict[str, Any] = {"owner": "acme", "repo": "web", "branch": "main", "expected_head": "a" * 40, "message": "m"}


async def test_each_file_is_on_the_page_with_its_text(local: House) -> None:
    """MUST 24."""
    files = {
        "docs/a b.md": "short text",
        ".github/workflows/ci.yml": LONG,
        "src/long.py": LONG + "\n# two",
        "empty": "",
    }
    needed = await local.asked(("github_push_files", COMMIT | {"files": files}))
    browser = local.browser()
    await browser.open(needed.invitation.url)
    for path in ("files “docs/a b.md”", "files .github/workflows/ci.yml", "files src/long.py", "files empty"):
        assert path in browser.text
    assert "short text" in browser.text
    assert len(re.findall("harmful line", browser.text)) == 2, "both ends of each long one"
    assert len(re.findall("not opened yet", browser.text)) == 2, "and each has to be opened"
    assert "workflows:write" in browser.text
