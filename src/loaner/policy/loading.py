"""Reading a policy from its files. Deciding is elsewhere and does no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from loaner.catalog.operation import Operation
from loaner.errors import PolicyInvalid
from loaner.policy.cedar import CedarPolicy
from loaner.policy.literals import unreachable
from loaner.policy.protected import by_argument, by_id, protected
from loaner.policy.rules import read
from loaner.policy.schema import schema_of
from loaner.settings.paths import refuse_written_by_others


def load(folder: Path | None, operations: Iterable[Operation], *, read_only: bool = False) -> CedarPolicy:
    """The policy in ``folder``, in place of the built-in one and not on top of it; the built-in one if ``None``.

    ``operations`` are all that exist, also those that this server does not show. Raises :class:`PolicyInvalid`, also
    for a ``forbid`` of what no call can be about: it would protect nothing, and say so to nobody.
    """
    operations = list(operations)
    rules = read(texts_of(folder), schema_of(operations))
    found = tuple(unreachable(rules.rules, operations))
    for one in found:
        if one.opens:
            raise PolicyInvalid(f"{one.told()}.", where=one.where)
    named, ids = protected(rules.rules, operations), by_id(rules.rules, operations)
    return CedarPolicy(rules, read_only, found, named, ids, by_argument(rules.rules, operations))


def texts_of(folder: Path | None) -> dict[str, str]:
    """Each ``*.cedar`` file by its name, in one fixed order. Raises :class:`PolicyInvalid`."""
    if folder is None:
        return {"default.cedar": files("loaner.policy").joinpath("default.cedar").read_text(encoding="utf-8")}
    found = sorted(folder.glob("*.cedar")) if folder.is_dir() else []
    if not found:
        raise PolicyInvalid("there is no *.cedar file in this folder.", where=str(folder))
    for one in found:
        refuse_written_by_others(one)
    try:
        return {str(file): file.read_text(encoding="utf-8") for file in found}
    except (OSError, UnicodeDecodeError) as failure:
        raise PolicyInvalid(f"cannot be read: {type(failure).__name__}.", where=str(folder)) from None
