"""Makes `schema.graphql` from GitHub's published schema, without what nobody here asks for.

    npm pack @octokit/graphql-schema@15.26.1
    .venv/bin/python -m tests.standins.github_contract.trim_graphql \
        octokit-graphql-schema-15.26.1.tgz

makes it anew. Fields given behind the archive, such as `PullRequest.title`, are added to those that
it has.
"""

import sys
import tarfile
from collections.abc import Iterable

import graphql
from graphql import (
    DefinitionNode,
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    ListTypeNode,
    NamedTypeNode,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
    TypeDefinitionNode,
    TypeNode,
)

from tests.standins.github_contract.graphql_contract import SCHEMA


def trim(published: str, fields: Iterable[str]) -> str:
    """The `fields`, each `Type.field`, and the types of what they take and give."""
    definitions = _types(graphql.parse(published, no_location=True).definitions)
    kept = dict[str, TypeDefinitionNode]()
    for field in sorted(set(fields)):
        kind, _, name = field.partition(".")
        parent = definitions.get(kind)
        found = [
            each
            for each in getattr(parent, "fields", None) or ()
            if isinstance(each, FieldDefinitionNode) and each.name.value == name
        ]
        if not found:
            raise LookupError(f"GitHub's schema has no field {field}")
        known = kept.get(kind)
        listed = (known.fields or ()) if isinstance(known, ObjectTypeDefinitionNode) else ()
        kept[kind] = ObjectTypeDefinitionNode(
            name=graphql.NameNode(value=kind), interfaces=(), directives=(),
            fields=(*listed, _bare_field(found[0])),
        )  # fmt: skip
        types = [found[0].type, *(each.type for each in found[0].arguments or ())]
        for each in types:
            _keep_plain(_named(each), definitions, kept)
    return "\n\n".join(graphql.print_ast(kept[name]) for name in sorted(kept)) + "\n"


def _types(nodes: Iterable[DefinitionNode]) -> dict[str, TypeDefinitionNode]:
    return {node.name.value: node for node in nodes if isinstance(node, TypeDefinitionNode)}


def _keep_plain(
    name: str, definitions: dict[str, TypeDefinitionNode], kept: dict[str, TypeDefinitionNode]
) -> None:
    """Keep a type that is no object whole, with all that stands in it."""
    found = definitions.get(name)
    if found is None or name in kept or isinstance(found, ObjectTypeDefinitionNode):
        return
    if isinstance(found, InputObjectTypeDefinitionNode):
        fields = tuple(_bare_input(each) for each in found.fields or ())
        kept[name] = InputObjectTypeDefinitionNode(name=found.name, directives=(), fields=fields)
        for each in fields:
            _keep_plain(_named(each.type), definitions, kept)
    elif isinstance(found, EnumTypeDefinitionNode):
        values = tuple(
            graphql.EnumValueDefinitionNode(name=each.name, directives=())
            for each in found.values or ()
        )
        kept[name] = EnumTypeDefinitionNode(name=found.name, directives=(), values=values)
    else:
        kept[name] = graphql.ScalarTypeDefinitionNode(name=found.name, directives=())


def _bare_field(node: FieldDefinitionNode) -> FieldDefinitionNode:
    arguments = tuple(_bare_input(each) for each in node.arguments or ())
    return FieldDefinitionNode(name=node.name, arguments=arguments, type=node.type, directives=())


def _bare_input(node: InputValueDefinitionNode) -> InputValueDefinitionNode:
    return InputValueDefinitionNode(
        name=node.name, type=node.type, default_value=node.default_value, directives=()
    )


def _named(node: TypeNode) -> str:
    while isinstance(node, ListTypeNode | NonNullTypeNode):
        node = node.type
    assert isinstance(node, NamedTypeNode)
    return node.name.value


def main() -> None:
    archive, *added = sys.argv[1:]
    with tarfile.open(archive) as package:
        member = package.extractfile("package/schema.graphql")
        if member is None:
            sys.exit(f"{archive} holds no schema")
        published = member.read().decode()
    present = SCHEMA.read_text() if SCHEMA.exists() else "type Query"
    kept = [
        f"{name}.{field.name.value}"
        for name, node in _types(graphql.parse(present).definitions).items()
        if isinstance(node, ObjectTypeDefinitionNode)
        for field in node.fields or ()
    ]
    SCHEMA.write_text(trim(published, [*kept, *added]))


if __name__ == "__main__":
    main()
