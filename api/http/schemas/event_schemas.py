"""The types of events as JSON Schemas, as they are on the wire."""

from typing import Any, Final, get_args

from pydantic.json_schema import models_json_schema

from graph import Event, Usage

_REFERENCE: Final = "#/components/schemas/{model}"
_COMMON: Final[dict[str, Any]] = {
    "seq": {
        "type": "integer",
        "minimum": 1,
        "description": "Number of the event in its run: from 1, without gaps.",
    },
    "runId": {"type": "string", "description": "Id of the run."},
    "time": {
        "type": "string",
        "format": "date-time",
        "description": "When it was made: RFC 3339 in UTC.",
    },
    "truncated": {
        "type": "boolean",
        "description": "True where long strings or lists were cut to fit 64 KiB.",
    },
}
_ALWAYS: Final = ("seq", "runId", "time", "type")


def event_schemas() -> dict[str, Any]:
    """The schema `Event`, one of each type, and what those refer to, by name."""
    models = [(model, "validation") for model in get_args(Event)]
    _, document = models_json_schema(models, by_alias=True, ref_template=_REFERENCE)  # type: ignore[arg-type]
    schemas: dict[str, Any] = document["$defs"]
    names = {_type_of(schemas[model.__name__]): model.__name__ for model, _ in models}
    for name in names.values():
        schemas[name] = _on_the_wire(schemas[name])
    references = {kind: _REFERENCE.format(model=name) for kind, name in names.items()}
    schemas["Event"] = {
        "title": "Event",
        "description": "One event of a run. Readers ignore types and fields that they do not know.",
        "oneOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "type", "mapping": references},
    }
    return schemas


def _type_of(schema: dict[str, Any]) -> str:
    return str(schema["properties"]["type"]["const"])


def _on_the_wire(schema: dict[str, Any]) -> dict[str, Any]:
    """An event's own schema with the log's fields, and without what the log keeps to itself."""
    kind, own = _type_of(schema), dict(schema["properties"])
    del own["key"]
    required = [name for name in schema.get("required", ()) if name not in {"key", "usage"}]
    if kind == "usage":  # its token counts are its own fields
        del own["usage"]
        tokens = Usage.model_json_schema()["properties"]
        own |= tokens
        required += [*tokens]
    own["type"] = {"const": kind, "description": "Type of the event."}
    properties = {**_COMMON, **own}
    return {**schema, "properties": properties, "required": sorted({*_ALWAYS, *required})}
