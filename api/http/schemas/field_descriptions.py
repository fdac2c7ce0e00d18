"""What each field and parameter of the OpenAPI document means."""

import tomllib
from collections.abc import Iterator
from importlib import resources
from typing import Any, Final

_EVERY: Final = "fields"
_FILE: Final = "field_descriptions.toml"


def describe_fields(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Give those a description that have none; the entries of the table that were used.

    A title that only repeats the field's name is taken out.
    """
    table = _read()
    used = set[tuple[str, str]]()
    for schema, name, field in _fields(document):
        if str(field.get("title", "")).replace(" ", "").lower() == name.replace("_", "").lower():
            del field["title"]
        place = schema if name in table.get(schema, {}) else _EVERY
        if "description" not in field and name in table[place]:
            field["description"] = table[place][name]
            used.add((place, name))
    return used


def unused(used: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Entries of the table that no field needs."""
    return {(place, name) for place, names in _read().items() for name in names} - used


def _read() -> dict[str, dict[str, str]]:
    text = resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
    return tomllib.loads(text)


def _fields(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every property with its schema's name, and every parameter."""
    for schema, found in document["components"]["schemas"].items():
        for name, field in found.get("properties", {}).items():
            yield schema, name, field
    for calls in document["paths"].values():
        for call in calls.values():
            for parameter in call.get("parameters", ()):
                yield "", parameter["name"], parameter
