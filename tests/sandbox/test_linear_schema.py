"""The shipped schema is a part of Linear's own, and every field it keeps answers."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable
from importlib.resources import files
from typing import Any

import pytest
from graphql import (
    EnumTypeDefinitionNode,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    ObjectTypeExtensionNode,
    build_schema,
    get_named_type,
    is_leaf_type,
    parse,
    print_type,
    validate,
)
from linear_steps import Linear
from trim_linear_schema import ROOTS, trim

from loaner.sandbox.linear import state
from loaner.sandbox.linear.derived import memberships
from loaner.sandbox.linear.schema import schema
from shared_data import shared


@pytest.fixture(scope="module")
def published() -> str:
    return gzip.decompress(shared("linear_schema.graphql.gz").read_bytes()).decode()


@pytest.fixture(scope="module")
def newer() -> str:
    """What Linear's official SDK knows beyond the published revision."""
    return files("loaner.sandbox.linear").joinpath("newer.graphql").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def real(published: str, newer: str) -> GraphQLSchema:
    return build_schema(published + newer, assume_valid=True)


@pytest.fixture
async def linear(anyio_backend: str) -> AsyncIterator[Linear]:
    it = Linear()
    async with it.http:
        yield it


def ours() -> dict[str, Any]:
    return {name: kind for name, kind in schema().type_map.items() if not name.startswith("__")}


def test_every_kept_type_is_the_real_one(real: GraphQLSchema) -> None:
    for name, kind in ours().items():
        theirs: Any = real.type_map[name]
        assert type(kind) is type(theirs)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            assert [each.name for each in kind.interfaces] == [each.name for each in theirs.interfaces]
            for field_name, field in kind.fields.items():
                real_field = theirs.fields[field_name]
                assert str(field.type) == str(real_field.type), (name, field_name)
                assert field.deprecation_reason == real_field.deprecation_reason
                shown, wanted = (
                    {n: (str(a.type), a.default_value) for n, a in f.args.items()} for f in (field, real_field)
                )
                assert shown == wanted, (name, field_name)
        elif isinstance(kind, GraphQLInputObjectType):
            shown, wanted = (
                {n: (str(f.type), f.default_value) for n, f in each.fields.items()} for each in (kind, theirs)
            )
            assert shown == wanted, name
        elif hasattr(kind, "values"):
            assert list(kind.values) == list(theirs.values)


def test_only_fields_that_lead_to_other_types_are_left_out(real: GraphQLSchema) -> None:
    for name, kind in ours().items():
        if isinstance(kind, GraphQLObjectType) and name not in ROOTS:
            theirs: Any = real.type_map[name]
            left_out = set(theirs.fields) - set(kind.fields)
            assert all(get_named_type(theirs.fields[field].type).name not in ours() for field in left_out), name


def test_what_is_newer_is_in_no_published_schema_yet(published: str, newer: str) -> None:
    known: dict[str, Any] = build_schema(published, assume_valid=True).type_map
    for node in parse(newer).definitions:
        if isinstance(node, ObjectTypeExtensionNode):
            assert not {field.name.value for field in node.fields or ()} & set(known[node.name.value].fields)
        else:
            assert isinstance(node, EnumTypeDefinitionNode)
            assert node.name.value not in known


def test_the_shipped_file_is_what_the_script_makes(published: str, newer: str) -> None:
    made = build_schema(trim(published) + newer, assume_valid=True)
    assert {name: print_type(kind) for name, kind in made.type_map.items()} == {
        name: print_type(kind) for name, kind in schema().type_map.items()
    }


def everything(kind: GraphQLObjectType | GraphQLUnionType, depth: int) -> str:
    """A selection of every field of a type, a few objects deep."""
    if isinstance(kind, GraphQLUnionType):
        return "__typename"
    parts = []
    for name, field in kind.fields.items():
        named: Any = get_named_type(field.type)
        if is_leaf_type(named):
            parts.append(name)
        elif depth:
            # Pages of two, lest the cost of the whole be refused.
            asked = {"first": "(first: 2)", "userId": '(userId: "unknown")'}
            size = next((asked[each] for each in asked if each in field.args), "")
            parts.append(f"{name}{size} {{ {everything(named, depth - 1)} }}")
    return " ".join(parts) or "__typename"


ASKS = {"searchIssues": '(term: "ENG", first: 2)'}


def question(root: str, identifier: str) -> str:
    assert schema().query_type
    field = schema().query_type.fields[root]
    asked = {"id": f'(id: "{identifier}")', "first": "(first: 2)"}
    arguments = ASKS.get(root) or next((asked[each] for each in asked if each in field.args), "")
    named: Any = get_named_type(field.type)
    return f"{{ {root}{arguments} {{ {everything(named, 2)} }} }}"


def identifier(linear: Linear, root: str, token: str) -> str:
    """The id of one thing of the kind that a root query finds; it is made where the seed has none."""
    assert schema().query_type
    kind = get_named_type(schema().query_type.fields[root].type).name
    desk: Any = linear.sandbox.inside["linear"]
    world: state.World = desk.world
    issues, projects, users = (list(world.every(each)) for each in (state.Issue, state.Project, state.User))
    made: dict[str, Callable[[], state.Entity]] = {
        "Attachment": lambda: world.new(
            state.Attachment, title="One", url="https://acme.example/1", issue=issues[0], creator=users[0]
        ),
        "ProjectUpdate": lambda: world.new(
            state.ProjectUpdate, body="On time.", health="onTrack", project=projects[0], user=users[0]
        ),
        "IssueRelation": lambda: world.new(
            state.IssueRelation, type="related", issue=issues[0], related_issue=issues[1]
        ),
    }
    if kind in made:
        return made[kind]().id
    if kind == "TeamMembership":
        return memberships(desk.view(linear.entry(token)))[0].id
    entity = getattr(state, kind, None)
    return next(world.every(entity)).id if entity else ""


@pytest.mark.parametrize("root", ROOTS["Query"].split())
async def test_every_field_answers(linear: Linear, root: str) -> None:
    token = await linear.token()
    assert (await linear.ask(token, question(root, identifier(linear, root, token))))[root]


@pytest.mark.parametrize("root", ROOTS["Query"].split())
def test_what_is_valid_here_is_valid_there(real: GraphQLSchema, root: str) -> None:
    document = parse(question(root, "p"))
    assert validate(schema(), document) == []
    assert validate(real, document) == []


def test_mutations_valid_here_are_valid_there(real: GraphQLSchema) -> None:
    assert schema().mutation_type
    for name, field in schema().mutation_type.fields.items():
        declared = ", ".join(f"${each}: {argument.type}" for each, argument in field.args.items())
        passed = ", ".join(f"{each}: ${each}" for each in field.args)
        named: Any = get_named_type(field.type)
        document = parse(f"mutation ({declared}) {{ {name}({passed}) {{ {everything(named, 2)} }} }}")
        assert validate(schema(), document) == []
        assert validate(real, document) == []
