"""What ``--out`` leaves behind: a file of its owner's, whole, or what was there before."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from loaner.cli import _files
from loaner.errors import UsageError


def test_a_file_that_others_could_read_is_its_owners_alone_afterwards(tmp_path: Path) -> None:
    out = tmp_path / "evidence.md"
    out.write_text("before")
    out.chmod(0o644)
    with _files.target(out) as file:
        file.write(b"after")
    assert (out.read_text(), stat.S_IMODE(out.stat().st_mode)) == ("after", 0o600)
    assert list(tmp_path.iterdir()) == [out]


def test_a_link_in_its_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    precious, out = tmp_path / "precious", tmp_path / "evidence.md"
    precious.write_text("precious")
    out.symlink_to(precious)
    with _files.target(out) as file:
        file.write(b"after")
    assert (precious.read_text(), out.read_text(), out.is_symlink()) == ("precious", "after", False)


def test_a_failure_in_the_middle_leaves_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "evidence.md"
    out.write_text("before")
    with pytest.raises(TypeError), _files.target(out) as file:
        file.writelines([b"half", "what is no bytes"])  # type: ignore[list-item]
    assert (out.read_text(), list(tmp_path.iterdir())) == ("before", [out])


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"), _files.target(tmp_path / "none" / "evidence.md"):
        pass
