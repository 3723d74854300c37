"""Which scope lets a token do what.

Linear publishes what each scope is for, but no table of operations: ``read`` is always there and reads, ``write`` is
write access to the account, ``issues:create`` allows creating issues and their attachments, ``comments:create``
creating comments, and webhooks need ``admin`` (linear.app/developers/oauth-2-0-authentication and /webhooks). The
rows below are that, read strictly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from graphql import GraphQLError, OperationType

from loaner.sandbox.linear.errors import scope_missing
from loaner.sandbox.switches import Switches

_CREATES = ("issues:create", "write")
_MUTATIONS: Mapping[str, tuple[str, ...]] = {
    "issueCreate": _CREATES,
    "attachmentLinkURL": _CREATES,
    "commentCreate": ("comments:create", "write"),
    "webhookCreate": ("admin",),
}


def missing(
    operation: OperationType, fields: Iterable[str], scopes: Collection[str], switches: Switches
) -> GraphQLError | None:
    """The refusal of the first root field that none of the token's scopes allows."""
    for name in fields:
        accepted = ("read",) if operation is OperationType.QUERY else _MUTATIONS.get(name, ("write",))
        if name == "issueUpdate" and switches.linear_issues_create_updates:
            accepted = _CREATES
        if not set(accepted) & set(scopes):
            return scope_missing(accepted[-1])
    return None
