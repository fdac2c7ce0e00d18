"""Schemas of the description: what is missing in an answer, and whether a value fits."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import jsonschema_rs

from tests.standins.github_contract.operations import Json, github_operations

_NAME: Final = "urn:github"
_BLANKS: Final[dict[str, Any]] = {"string": "", "integer": 1, "number": 1, "boolean": False}
_BLANK_STRINGS: Final = {
    "uri": "https://github.invalid/",
    "date-time": "2020-01-01T00:00:00Z",
    "email": "octocat@github.invalid",
}
_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


def misfits(value: Any, schema: Json, place: str) -> list[str]:
    """What is wrong with a value. `place` names the schema, and is its own."""
    found = (_validator(place) or _add_validator(place, schema)).iter_errors(value)
    return [
        f"{'/'.join(map(str, error.instance_path)) or 'all of it'}: {error.message[:300]}"
        for error in found
    ]


def complete(value: Any, schema: Json) -> Any:
    """A value with all that its schema demands: null where it may be, else something plain."""
    schema = github_operations().resolve(schema)
    if isinstance(value, list):
        return [complete(each, schema.get("items", {})) for each in value]
    if not isinstance(value, dict):
        return value
    fields = _fields(schema, value)
    made = {
        name: complete(value[name], of_name) if name in value else _blank(of_name)
        for name, of_name in fields.named.items()
        if name in value or name in fields.required
    }
    return {**value, **made}


def unknown_fields(value: Any, schema: Json, at: str = "") -> list[str]:
    """Fields of a value that its schema does not name, as paths."""
    if isinstance(value, list):
        items = github_operations().resolve(schema).get("items", {})
        return [name for each in value for name in unknown_fields(each, items, at)]
    if not isinstance(value, dict):
        return []
    fields = _fields(schema, value)
    if not fields.named:
        return []
    found = [] if fields.open else [f"{at}{name}" for name in value if name not in fields.named]
    for name in value.keys() & fields.named.keys():
        found += unknown_fields(value[name], fields.named[name], f"{at}{name}/")
    return found


@dataclass
class _Fields:
    """What an object may hold, by a schema and those of its branches that fit it."""

    named: Json
    required: set[str]
    open: bool
    """Whether others may stand beside those that are named."""


def _fields(schema: Json, value: Json) -> _Fields:
    schema = github_operations().resolve(schema)
    fields = _Fields(
        dict(schema.get("properties", {})),
        set(schema.get("required", ())),
        bool(schema.get("additionalProperties")),
    )
    for branch in _branches(schema, value):
        more = _fields(branch, value)
        for name, of_name in more.named.items():
            known = fields.named.get(name)
            fields.named[name] = {"allOf": [known, of_name]} if known else of_name
        fields.required |= more.required
        fields.open = fields.open or more.open
    return fields


def _branches(schema: Json, value: Any) -> list[Json]:
    """All that a value must fit, and the first of those of which it must fit one."""
    one_of = schema.get("oneOf") or schema.get("anyOf") or ()
    fitting = (each for each in one_of if _may_fit(value, each))
    return [*schema.get("allOf", ()), *([first] if (first := next(fitting, None)) else [])]


def _may_fit(value: Any, schema: Json) -> bool:
    """Whether a value is of a schema's kind, by its type and by the words that fields must be."""
    schema = github_operations().resolve(schema)
    if value is None:
        return bool(schema.get("nullable"))
    if not isinstance(value, _TYPES.get(schema.get("type", ""), object)):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if not all(_may_fit(value, each) for each in schema.get("allOf", ())):
        return False
    if not isinstance(value, dict):
        return True
    named = schema.get("properties", {})
    return all(_may_fit(value[name], named[name]) for name in value.keys() & named.keys())


def _blank(schema: Json) -> Any:
    schema = _merged(schema)
    kind = schema.get("type")
    if schema.get("nullable"):
        return None
    if schema.get("enum"):
        return schema["enum"][0]
    if kind == "array":
        return [_blank(schema["items"])] * int(schema.get("minItems", 0))
    if kind == "string":
        return _BLANK_STRINGS.get(schema.get("format", ""), "")
    return complete({}, schema) if kind in ("object", None) else _BLANKS[kind]


def _merged(schema: Json) -> Json:
    """A schema with the words of all that a value must fit, and of the first that it may fit."""
    schema = github_operations().resolve(schema)
    one_of = schema.get("oneOf") or schema.get("anyOf") or ()
    parts = [_merged(each) for each in (*schema.get("allOf", ()), *one_of[:1])]
    if not parts:
        return schema
    words = {word: each for part in parts for word, each in part.items() if word != "properties"}
    nullable = schema.get("nullable") or all(part.get("nullable") for part in parts)
    return {**words, **schema, "nullable": nullable}


_validators: Final[dict[str, jsonschema_rs.Draft4Validator]] = {}


def _validator(place: str) -> jsonschema_rs.Draft4Validator | None:
    return _validators.get(place)


def _add_validator(place: str, schema: Json) -> jsonschema_rs.Draft4Validator:
    """Compiled once in a process: that takes longer than to use it often."""
    made = jsonschema_rs.Draft4Validator(
        _draft4(schema), registry=_registry(), validate_formats=True
    )
    return _validators.setdefault(place, made)


@cache
def _registry() -> jsonschema_rs.Registry:
    components = {"components": _draft4(github_operations().description["components"])}
    return jsonschema_rs.Registry([(_NAME, components)], draft=jsonschema_rs.Draft4)


def _draft4(node: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema lists null as one more type."""
    if isinstance(node, list):
        return [_draft4(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: _draft4(each) for key, each in node.items() if key != "nullable"}
    if isinstance(node.get("$ref"), str):
        made["$ref"] = f"{_NAME}{node['$ref']}"
    if node.get("nullable") is not True:
        return made
    return {"anyOf": [{"type": "null"}, made]}
