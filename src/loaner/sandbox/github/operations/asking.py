"""What a new token is asked to be: which permissions, which repositories. Shared by scoped and installation tokens."""

from __future__ import annotations

from collections.abc import Sequence

from loaner.sandbox.github.call import Call
from loaner.sandbox.github.errors import ApiError, invalid_request
from loaner.sandbox.github.permissions import Permissions, covers, with_metadata
from loaner.sandbox.github.state import Repository

MOST_REPOSITORIES = 500


def permissions(call: Call, granted: Permissions) -> Permissions:
    """The permissions asked for, exactly, plus metadata; all that were granted when none are named.

    Raises:
        ApiError: 422 for anything beyond what was granted, and for what GitHub does not know.
    """
    wanted = call.body.get("permissions")
    if wanted is None:
        return with_metadata(granted)
    if not isinstance(wanted, dict) or not all(isinstance(level, str) for level in wanted.values()):
        raise invalid_request("For 'properties/permissions', the value is not an object of strings.")
    if not covers(granted, wanted):
        raise ApiError(422, "The permissions requested are not granted to this installation.")
    return with_metadata(wanted)


def repositories(call: Call, reachable: Sequence[Repository]) -> list[Repository] | None:
    """The repositories asked for by name or id; ``None`` when the body names none.

    Raises:
        ApiError: 422 for one that does not exist or is out of reach: the answer does not tell which.
    """
    names, ids = call.strings("repositories"), call.body.get("repository_ids")
    if names is not None and ids is not None:
        raise invalid_request("Only one of 'repositories' and 'repository_ids' may be given.")
    if names is None and ids is None:
        return None
    asked = names if names is not None else ids
    if not isinstance(asked, list) or not 0 < len(asked) <= MOST_REPOSITORIES:
        raise invalid_request(f"Between 1 and {MOST_REPOSITORIES} repositories may be given.")
    known: dict[object, Repository] = (
        {name: each for each in reachable for name in _names(call, each)}
        if names is not None
        else {each.id: each for each in reachable}
    )
    if not all(isinstance(each, str | int) for each in asked):
        raise invalid_request("For 'properties/repository_ids', the value is not an array of integers.")
    found = [known.get(each.casefold() if isinstance(each, str) else each) for each in asked]
    if not all(found):
        raise ApiError(422, "There is at least one repository that does not exist or is not accessible.")
    return [each for each in found if each]


def _names(call: Call, repository: Repository) -> list[str]:
    former = repository.former_names if call.hub.sandbox.switches.github_former_names_mint else []
    return [repository.name.casefold(), *(name.casefold().partition("/")[2] for name in former)]
