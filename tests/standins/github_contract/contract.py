"""What is said between the product and the stand-in, held against GitHub's description."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from tests.standins.github_contract.operations import Json, Operation, github_operations
from tests.standins.github_contract.schemas import complete, misfits, unknown_fields

_VERSION: Final = "2022-11-28"
_OWN_STATUSES: Final = frozenset((301, 304, 307, 400, 401, 403, 404, 410, 429))
"""What any call may be answered, whether its operation says so or not."""
_PROBLEM: Final[Json] = {"$ref": "#/components/schemas/basic-error"}
_UNPROCESSABLE: Final[Json] = {"$ref": "#/components/responses/validation_failed"}
_HOW_TO_ADD: Final = (
    "{call} is not in tests/standins/github_contract/description.json. To add it:"
    " npm pack @octokit/openapi@{version} && .venv/bin/python -m"
    ' tests.standins.github_contract.trim octokit-openapi-{version}.tgz "{call}"'
)


@dataclass(frozen=True)
class Call:
    """A call as it came. `path` lies below the API's address, and is encoded."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names are lower-case."""
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """An answer as it goes out."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Contract:
    """Holds calls against the description and keeps what does not fit."""

    def __init__(self) -> None:
        self._breaches: list[str] = []

    def take_breaches(self) -> list[str]:
        """What did not fit since it was last asked for."""
        found, self._breaches = self._breaches, []
        return found

    def break_by(self, what: str) -> None:
        """Keep what does not fit."""
        self._breaches.append(what)

    def hold_request(self, request: Call) -> Operation | None:
        """Judge a request; its operation, None where the description has none."""
        operation = github_operations().find(request.method, request.path)
        if operation is None:
            self.break_by(how_to_add(f"{request.method} {request.path}"))
            return None
        found = [
            *_judge_headers(request),
            *_judge_parameters(operation, "path", operation.path_values),
            *_judge_parameters(
                operation, "query", dict(parse_qsl(request.query, keep_blank_values=True))
            ),
            *_judge_body(operation, request.body),
        ]
        self._breaches += [f"{operation.name} is sent wrongly. {each}" for each in found]
        return operation

    def hold_answer(self, operation: Operation, answer: Answer) -> bytes:
        """Judge an answer; its body, with all that the description demands."""
        described = _described_answer(operation, answer.status)
        if described is None:
            self._breaches.append(f"{operation.name} is never answered {answer.status}.")
            return answer.body
        content = described.get("content", {})
        if not content or answer.status == 302 or not answer.body:
            if content and answer.status not in (302, 304) and not answer.body:
                self._breaches.append(f"{operation.name} is answered {answer.status} without body.")
            return answer.body
        schema, place = _schema_of(content), f"{operation.name} {answer.status}"
        value = complete(json.loads(answer.body), schema)
        found = judge(value, schema, place)
        self._breaches += [f"{place} is answered wrongly. {each}" for each in found]
        return json.dumps(value).encode()


CONTRACT: Final = Contract()
"""That of this process, which every test asks for breaches."""


def how_to_add(call: str) -> str:
    """What tells who makes a call, or gets a delivery, that nobody made before."""
    version = github_operations().description["info"]["version"]
    return _HOW_TO_ADD.format(call=call, version=version)


def judge(value: Any, schema: Json, place: str) -> list[str]:
    """What is wrong with a value, and what its schema does not know. `place` names the schema."""
    unknown = (f"{each} is no field of {place}" for each in unknown_fields(value, schema))
    return [*unknown, *misfits(value, schema, place)]


def _judge_headers(request: Call) -> list[str]:
    headers, found = request.headers, list[str]()
    if not headers.get("user-agent"):
        found.append("Nothing says who asks (User-Agent).")
    version = headers.get("x-github-api-version", _VERSION)
    if version != _VERSION:
        found.append(f"X-GitHub-Api-Version is {version}.")
    if request.body and not headers.get("content-type", "").startswith("application/json"):
        found.append(f"The body is {headers.get('content-type')}.")
    return found


def _judge_parameters(operation: Operation, place: str, values: Mapping[str, str]) -> list[str]:
    known = {each["name"]: each for each in operation.parameters if each["in"] == place}
    found = [f"{name} is no parameter of its {place}" for name in values if name not in known]
    found += [
        f"{name} is missing in its {place}"
        for name, parameter in known.items()
        if parameter.get("required") and name not in values
    ]
    for name in values.keys() & known.keys():
        schema = known[name]["schema"]
        value = _parse(values[name], github_operations().resolve(schema).get("type"))
        wrong = misfits(value, schema, f"{operation.name} {place} {name}")
        found += [f"{name} in its {place}: {each}" for each in wrong]
    return found


def _parse(text: str, kind: str | None) -> Any:
    """A value of a path or query as JSON, where its schema wants no text."""
    try:
        return json.loads(text) if kind in ("integer", "number", "boolean") else text
    except json.JSONDecodeError:
        return text


def _judge_body(operation: Operation, body: bytes) -> list[str]:
    described = github_operations().resolve(operation.described.get("requestBody", {}))
    if not body:
        return ["Its body is missing."] if described.get("required") else []
    if not described:
        return ["It has no body."]
    schema = _schema_of(described["content"])
    try:
        value = json.loads(body)
    except ValueError:
        return ["Its body is no JSON."]
    return judge(value, schema, f"{operation.name} body")


def _described_answer(operation: Operation, status: int) -> Json | None:
    """What the description says of an answer; of one that any call may get, the common shape."""
    described = operation.described["responses"].get(str(status))
    if described is not None:
        return github_operations().resolve(described)
    if status == 422 and operation.method != "GET":
        return github_operations().resolve(_UNPROCESSABLE)
    if status >= 500 or status in _OWN_STATUSES:
        return {"content": {"application/json": {"schema": _PROBLEM}}}
    return None


def _schema_of(content: Mapping[str, Json]) -> Json:
    json_kinds = (kind for kind in content if kind.endswith("json"))
    found: Json = content[next(json_kinds)]["schema"]
    return found
