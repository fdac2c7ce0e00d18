"""A role's structured answer: its form for the API, and reading it."""

import json
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from graph import describe_faults
from roles.claude.reply import Block


class Answer(BaseModel):
    """A form whose every field must be given."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AnswerT = TypeVar("AnswerT", bound=Answer)


class InvalidAnswer(Exception):
    """Raised when a text is not an answer of the asked form; says why."""


class AnswerSchema(Generic[AnswerT]):
    """One kind of answer; `self_check` says what in one should be thought over once, or nothing."""

    def __init__(
        self, kind: type[AnswerT], self_check: Callable[[AnswerT], str] = lambda _: ""
    ) -> None:
        self._kind = kind
        self.self_check = self_check
        self.schema = _to_api_schema(kind.model_json_schema())

    @property
    def output_format(self) -> Block:
        return {"type": "json_schema", "schema": self.schema}

    def parse(self, content: list[Block]) -> AnswerT:
        """The answer in the last text of a reply. Raises InvalidAnswer."""
        texts = [block["text"] for block in content if block["type"] == "text"]
        text = texts[-1].strip() if texts else ""
        if not text:
            raise InvalidAnswer("there was no text")
        text = text.removeprefix("```json").removesuffix("```")
        try:
            return self._kind.model_validate_json(text)
        except ValidationError as error:
            raise InvalidAnswer(describe_faults(error)[0]) from error

    def retry_prompt(self, invalid: InvalidAnswer) -> str:
        """What is said to a reply that does not fit."""
        form = json.dumps(self.schema, separators=(",", ":"))
        return (
            f"Your answer does not fit its form: {invalid}. "
            f"If the work is done, answer with one JSON object and nothing else, by this schema: "
            f"{form}"
        )


def _to_api_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as the API takes it: no titles, no references, nothing optional."""
    definitions = schema.get("$defs", {})

    def plain(part: Any) -> Any:
        if isinstance(part, list):
            return [plain(item) for item in part]
        if not isinstance(part, dict):
            return part
        if reference := part.get("$ref"):
            return plain(definitions[reference.rsplit("/", 1)[-1]])
        kept = {
            name: value
            for name, value in part.items()
            if name not in {"$defs", "title", "default", "description", "properties"}
        }
        result = {name: plain(value) for name, value in kept.items()}
        if "properties" in part:
            result["properties"] = {
                name: plain(value) for name, value in part["properties"].items()
            }
        return result

    strict: dict[str, Any] = plain(schema)
    return strict
