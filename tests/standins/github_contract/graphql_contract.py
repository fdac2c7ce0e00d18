"""What is asked by GraphQL, held against GitHub's published schema."""

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

import graphql

SCHEMA: Final = Path(__file__).with_name("schema.graphql")
VERSION: Final = "15.26.1"
"""Of the package that it is made from."""
_HOW_TO_ADD: Final = (
    " Fields that are new here: npm pack @octokit/graphql-schema@{version} && .venv/bin/python -m"
    " tests.standins.github_contract.trim_graphql octokit-graphql-schema-{version}.tgz TYPE.FIELD"
)


def judge_graphql(sent: bytes, answered: bytes) -> list[str]:
    """What is wrong with a query and its answer of 200."""
    asked, told = json.loads(sent), json.loads(answered)
    document = graphql.parse(asked["query"])
    if wrong := graphql.validate(_schema(), document):
        return [each.message + _HOW_TO_ADD.format(version=VERSION) for each in wrong]
    if "errors" in told:
        return [f"{each} does not say what is wrong" for each in told["errors"] if not _says(each)]
    given = graphql.execute_sync(
        _schema(), document, root_value=told["data"], variable_values=asked.get("variables")
    )
    if given.errors:
        return [each.message for each in given.errors]
    if given.data != told["data"]:
        return [f"{told['data']} holds what was not asked for"]
    return []


def _says(error: Any) -> bool:
    return isinstance(error, dict) and isinstance(error.get("message"), str)


@cache
def _schema() -> graphql.GraphQLSchema:
    return graphql.build_schema(SCHEMA.read_text())
