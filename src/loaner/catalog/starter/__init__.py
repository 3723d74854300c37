"""A first provider: two commented files with marked blanks, and the schemas that an editor completes from."""

from __future__ import annotations

import re
from pathlib import Path

from loaner.catalog.load import shipped
from loaner.catalog.schema_file import OPERATION, PROVIDER
from loaner.errors import SettingsInvalid, UsageError


def write(name: str, into: Path) -> list[Path]:
    """The files of a new provider ``name`` under ``into``. Raises :class:`UsageError` where one is there already."""
    if not re.fullmatch("[a-z][a-z0-9]{0,19}", name):
        raise UsageError(
            f"{name!r} cannot be a provider's name.", do="Take lower-case letters and digits, such as acme."
        )
    here, home = Path(__file__).parent, into / name
    texts = {
        home / "provider.toml": (here / "provider.toml").read_text("utf-8"),
        home / "get_item.toml": (here / "operation.toml").read_text("utf-8").replace("NAME_", f"{name}_"),
    }
    if home.exists():
        raise UsageError(f"{home} is there already, and was not touched.", do="Choose another name or --into FOLDER.")
    schemas = {into / one: (shipped() / one).read_text("utf-8") for one in (PROVIDER, OPERATION)}
    try:
        home.mkdir(parents=True)
        for path, text in (texts | schemas).items():
            path.write_text(text, "utf-8")
    except OSError as failure:
        raise SettingsInvalid(f"{into} cannot be written: {failure.strerror}.") from None
    return list(texts)
