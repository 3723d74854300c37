"""Cut Linear's published schema down to what the sandbox emulates. By hand, when Linear publishes a new one:

    python tests/sandbox/trim_linear_schema.py linear_schema.graphql.gz REVISION > OUT
    mv OUT src/loaner/sandbox/linear/schema.graphql

Nothing kept is altered, only its prose is left out: root fields that the sandbox answers, the object types below,
every argument with every input type it reaches, and those fields of an object whose type is kept as well.
"""

from __future__ import annotations

import gzip
import sys
from dataclasses import replace
from pathlib import Path

from graphql import (
    DocumentNode,
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InterfaceTypeDefinitionNode,
    ListTypeNode,
    NamedTypeNode,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    TypeDefinitionNode,
    TypeNode,
    UnionTypeDefinitionNode,
    parse,
    print_ast,
)

ROOTS = {
    "Query": "viewer teams team users issues issue searchIssues comments projects project workflowStates issueLabels"
    " documents document cycles projectMilestones initiatives projectStatuses organization user comment workflowState"
    " issueLabel cycle attachment attachments projectStatus projectUpdate projectUpdates projectMilestone initiative"
    " issueRelation teamMembership teamMemberships rateLimitStatus",
    "Mutation": "issueCreate issueUpdate issueArchive issueDelete commentCreate commentUpdate commentDelete"
    " issueAddLabel issueRelationCreate attachmentLinkURL projectCreate projectUpdate projectUpdateCreate"
    " documentCreate webhookCreate",
}
ENTITIES = (
    "Issue IssueSearchResult Team User Comment Project WorkflowState IssueLabel Attachment ProjectUpdate Webhook Cycle"
    " IssueRelation Document ProjectMilestone Initiative ProjectStatus TeamMembership"
)
OTHERS = (
    "Organization ActorBot ExternalUser PageInfo Node ArchivePayload ArchiveResponse IssueSearchPayload"
    " IssuePayload IssueArchivePayload CommentPayload AttachmentPayload ProjectUpdatePayload WebhookPayload"
    " DeletePayload DocumentPayload ProjectPayload IssueRelationPayload"
)
SDK_TYPES = (
    "AgentSession AiPromptRules DocumentContent ExternalEntityInfo ExternalEntityInfoMetadata"
    " ExternalEntityInfoGithubMetadata ExternalEntityInfoJiraMetadata ExternalEntitySlackMetadata Favorite"
    " InitiativeUpdate Integration IntegrationsSettings IssueSharedAccess PaidSubscription RateLimitPayload"
    " RateLimitResultPayload Reaction Release SyncedExternalThread Template TriageResponsibility WelcomeMessage"
)
"""What the fragments of Linear's official SDK name besides. Nothing is kept of most: null, or an empty list."""
LEAVES = {"Boolean", "Float", "ID", "Int", "String"}

HEADER = """\
# The part of Linear's GraphQL schema that the sandbox emulates. Made by tests/sandbox/trim_linear_schema.py from
# https://github.com/linear/linear/blob/{revision}/packages/sdk/src/schema.graphql
# Names, types, arguments and nullability are Linear's own; its descriptions and everything unreachable are left out.
#
# MIT License, Copyright (c) Linear Orbit, Inc.: "Permission is hereby granted, free of charge, to any person obtaining
# a copy of this software and associated documentation files (the "Software"), to deal in the Software without
# restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense,
# and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the
# following conditions: The above copyright notice and this permission notice shall be included in all copies or
# substantial portions of the Software. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
# IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
# NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
# LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
# SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."
"""


def trim(source: str) -> str:
    """The trimmed SDL, without the header."""
    found = parse(source).definitions
    types = {each.name.value: each for each in found if isinstance(each, TypeDefinitionNode)}
    kept = LEAVES | set(f"{ENTITIES} {OTHERS} {SDK_TYPES}".split())
    kept |= {name + end for name in ENTITIES.split() for end in ("Connection", "Edge")}
    kept |= {
        name for name, each in types.items() if isinstance(each, ScalarTypeDefinitionNode | EnumTypeDefinitionNode)
    }

    shown: dict[str, TypeDefinitionNode] = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name in shown or name in LEAVES:
            continue
        shown[name] = node = cut(types[name], kept)
        waiting += reached(node)
    definitions = tuple(shown[name] for name in sorted(shown, key=lambda name: (name not in ROOTS, name)))
    return print_ast(DocumentNode(definitions=definitions)) + "\n"


def cut(node: TypeDefinitionNode, kept: set[str]) -> TypeDefinitionNode:
    """The type without prose; an object without the fields that lead out of the kept types."""
    node = replace(node, description=None)
    if isinstance(node, EnumTypeDefinitionNode):
        return replace(node, values=tuple(replace(value, description=None) for value in node.values or ()))
    if isinstance(node, InputObjectTypeDefinitionNode):
        return replace(node, fields=tuple(replace(field, description=None) for field in node.fields or ()))
    if isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
        roots = ROOTS.get(node.name.value, "").split()
        fields = [
            each for each in node.fields or () if (each.name.value in roots if roots else named(each.type) in kept)
        ]
        return replace(node, fields=tuple(silent(field) for field in fields))
    return node


def silent(field: FieldDefinitionNode) -> FieldDefinitionNode:
    arguments = tuple(replace(argument, description=None) for argument in field.arguments or ())
    return replace(field, description=None, arguments=arguments)


def reached(node: TypeDefinitionNode) -> list[str]:
    if isinstance(node, InputObjectTypeDefinitionNode):
        return [named(field.type) for field in node.fields or ()]
    if isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
        fields = node.fields or ()
        arguments = [argument for field in fields for argument in field.arguments or ()]
        return [named(each.type) for each in (*fields, *arguments)] + [named(each) for each in node.interfaces or ()]
    if isinstance(node, UnionTypeDefinitionNode):
        return [named(each) for each in node.types or ()]
    return []


def named(node: TypeNode) -> str:
    while isinstance(node, NonNullTypeNode | ListTypeNode):
        node = node.type
    assert isinstance(node, NamedTypeNode)
    return node.name.value


if __name__ == "__main__":
    published, revision = sys.argv[1:]
    sys.stdout.write(HEADER.format(revision=revision) + "\n")
    sys.stdout.write(trim(gzip.decompress(Path(published).read_bytes()).decode()))
