"""A role's answer: the strict tool by whose call it ends, and reading that call."""

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, Final, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from graph import describe_faults
from roles.claude.reply import Block
from roles.tools.toolbox import ToolResult

NOT_NOW: Final = "Not now: it ends another step. This one ends with `{name}`."


class Answer(BaseModel):
    """A form whose every field must be given."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AnswerT = TypeVar("AnswerT", bound=Answer)


class InvalidAnswer(Exception):
    """Raised when a call does not fit its form, or there is none; says why."""


class AnswerTool(Generic[AnswerT]):
    """One kind of answer; `self_check` says what in one should be thought over once, or nothing.

    Claude is not forced to call it, as not every model can be.
    """

    def __init__(
        self,
        name: str,
        description: str,
        form: type[AnswerT],
        self_check: Callable[[AnswerT], str] = lambda _: "",
    ) -> None:
        self.name = name
        self._form = form
        self.rule: Callable[[AnswerT], str] = lambda _: ""
        self.self_check = self_check
        self.definition: Block = {
            "name": name,
            "description": description,
            "strict": True,
            "input_schema": _to_api_schema(form.model_json_schema()),
        }

    def with_rule(self, rule: Callable[[AnswerT], str]) -> Self:
        """The same tool for one call, where `rule` says what an answer breaks, or nothing."""
        ruled = copy(self)
        ruled.rule = rule
        return ruled

    def find(self, content: Sequence[Block]) -> Block | None:
        """The call of it in a reply, the last of several."""
        calls = [block for block in content if block["type"] == "tool_use"]
        return next((call for call in reversed(calls) if call["name"] == self.name), None)

    def parse(self, content: Sequence[Block]) -> AnswerT:
        """The answer of a reply. Raises InvalidAnswer."""
        call = self.find(content)
        if call is None:
            raise InvalidAnswer("it was not called")
        try:
            answer = self._form.model_validate(call["input"])
        except ValidationError as error:
            raise InvalidAnswer(describe_faults(error)[0]) from error
        if broken := self.rule(answer):
            raise InvalidAnswer(broken)
        return answer

    def retry_prompt(self, invalid: InvalidAnswer) -> str:
        """What is said to a reply that ends without it, or with one that does not fit."""
        return (
            f"There is no answer yet: `{self.name}`: {invalid}. If the work is done, call "
            f"`{self.name}` with all of its fields."
        )


class RefusedAnswerTool:
    """A tool that ends another role of the same conversation."""

    usage = ""

    def __init__(self, tool: AnswerTool[Any], ends_with: str) -> None:
        self.definition = tool.definition
        self._why = NOT_NOW.format(name=ends_with)

    async def call(self, _: dict[str, Any], __: float) -> ToolResult:
        return ToolResult(self._why, is_error=True)

    def reads_only(self, _: dict[str, Any]) -> bool:
        return True


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
