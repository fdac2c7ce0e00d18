"""Parts of the OpenAPI document that FastAPI does not write by itself."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.http.guards.problems import MEDIA_TYPE, Problem
from api.http.routes.response_models import RunRemoval, StreamEnd
from api.http.schemas.event_schemas import event_schemas
from api.http.schemas.field_descriptions import describe_fields

_PROBLEMS: Final = {
    400: "The request, or its host name, is not one the service reads.",
    401: "A valid API key is needed.",
    403: "The page of another origin calls.",
    404: "There is no such thing for this caller.",
    408: "The body did not arrive in time.",
    409: "The run is in a state that does not allow it; `code` says which.",
    410: "The run of this Idempotency-Key was removed.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "The request does not fit; `errors` says where.",
    429: "Too many; `Retry-After` says when to come again.",
    500: "Something went wrong inside.",
    503: "The service cannot do this now; `code` says why.",
}
_ALWAYS: Final = (400, 401, 403, 429, 500, 503)
_WITH_BODY: Final = (408, 413, 415, 422)
_RUN_HEADERS: Final = {
    "X-Run-Id": {"schema": {"type": "string"}, "description": "Id of the run."},
    "Location": {"schema": {"type": "string"}, "description": "Address of the run."},
}
Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int, body: bool = False) -> Responses:
    """The problem answers of a call: these and the ones every call may give."""
    given = sorted({*_ALWAYS, *statuses, *(_WITH_BODY if body else ())})
    reference = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": _PROBLEMS[status],
            "content": {MEDIA_TYPE: {"schema": reference}},
        }
        for status in given
    }


def of_a_run(response: dict[str, Any]) -> dict[str, Any]:
    """An answer that names its run in its headers."""
    return {**response, "headers": _RUN_HEADERS}


def _stream(description: str, data: tuple[str, ...], example: str) -> dict[str, Any]:
    """A stream of server-sent events; the schema is of each, `data` names those of its data."""
    document = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {
            "anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in (*data, "StreamEnd")]
        },
    }
    fields = {"id": {"type": "string"}, "event": {"type": "string"}, "data": document}
    schema = {"type": "object", "properties": fields, "required": ["event", "data"]}
    keeps = (
        " A comment keeps an idle stream alive; `stream.end` says where to go on reading when the "
        "server must end the stream."
    )
    content = {"text/event-stream": {"schema": schema, "example": example}}
    return {"description": description + keeps, "content": content}


STREAM: Final = of_a_run(
    _stream(
        "The run's events as server-sent events: `id` is the event's number, `event` its type.",
        ("Event",),
        "id: 1\r\nevent: run.queued\r\n"
        'data: {"seq":1,"runId":"01k9x4m7q2v8c3n5b6t0r1w2ez",'
        '"time":"2026-01-31T12:00:00.000Z","type":"run.queued","position":0}\r\n\r\n',
    )
)
FEED: Final = _stream(
    "Rows of runs as server-sent events named `run`, and `run.removed` with the id of a run that "
    "somebody removed: `id` is an opaque cursor.",
    ("RunSummary", "RunRemoval"),
    'id: 19b2f\r\nevent: run\r\ndata: {"runId":"01k9x4m7q2v8c3n5b6t0r1w2ez", …}\r\n\r\n',
)
DIFF: Final = of_a_run(
    {
        "description": "The change so far.",
        "content": {"text/x-diff": {"schema": {"type": "string", "format": "binary"}}},
    }
)

METRICS: Final = {
    "description": "Prometheus text.",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The document, made once; problem documents are named there too."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
            separate_input_output_schemas=False,
        )
        schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        own = schema.pop("$defs", {}) | {"Problem": schema}
        document["components"]["schemas"] = {
            **event_schemas(),
            "StreamEnd": StreamEnd.model_json_schema(),
            "RunRemoval": RunRemoval.model_json_schema(),
            **document["components"]["schemas"],
            **own,
        }
        describe_fields(document)
        app.openapi_schema = document
    return app.openapi_schema
