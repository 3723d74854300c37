"""One resolver for every field: the two roots have functions, everything else is read from the workspace."""

from __future__ import annotations

from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_non_null_type,
)

from loaner.sandbox.linear.derived import ABSENT, View, membership
from loaner.sandbox.linear.filtering import matches
from loaner.sandbox.linear.mutations import MUTATIONS
from loaner.sandbox.linear.paging import connection
from loaner.sandbox.linear.queries import QUERIES
from loaner.sandbox.linear.state import Entity, Team

_EMPTY = {"Boolean": False, "Int": 0, "Float": 0.0, "String": "", "ID": "", "JSONObject": {}}


def resolve(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    """The value of one field, as graphql-core asks for it; ``info.context`` is a :class:`View`."""
    view: View = info.context
    name = info.field_name
    if info.parent_type.name == "Query":
        value = QUERIES[name](view, arguments)
    elif info.parent_type.name == "Mutation":
        return MUTATIONS[name](view, arguments)
    elif isinstance(source, Team) and name == "membership":
        return membership(view, source, arguments["userId"])
    elif isinstance(source, Entity):
        value = view.read(source, name)
    else:
        return source.get(name)
    if get_named_type(info.return_type).name.endswith(("Connection", "SearchPayload")):
        return _page(view, [] if value is ABSENT else value, info, arguments)
    return _nothing(info.return_type) if value is ABSENT else value


def _page(view: View, items: list[Entity], info: GraphQLResolveInfo[Any], arguments: dict[str, Any]) -> dict[str, Any]:
    wanted = arguments.get("filter")
    if wanted:
        kind = get_named_type(info.parent_type.fields[info.field_name].args["filter"].type)
        assert isinstance(kind, GraphQLInputObjectType)  # noqa: S101 - by the schema
        items = [each for each in items if matches(view, each, wanted, kind)]
    return connection(items, arguments) | {
        "archivePayload": {"archive": "", "databaseVersion": 0, "includesDependencies": [], "totalCount": 0}
    }


def _nothing(kind: GraphQLOutputType) -> Any:
    """What a field that the sandbox keeps nothing for answers: null where it may, else the type's empty value."""
    if not is_non_null_type(kind):
        return None
    if is_list_type(get_nullable_type(kind)):
        return []
    named = get_named_type(kind)
    return next(iter(named.values)) if isinstance(named, GraphQLEnumType) else _EMPTY.get(named.name)
