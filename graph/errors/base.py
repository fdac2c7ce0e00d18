"""The root of all errors."""

from typing import Any, ClassVar


class CodingAgentError(Exception):
    """Raised when something expected to be able to go wrong did; `code` is stable."""

    code: ClassVar[str] = "internal"
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint

    def __reduce__(self) -> tuple[type["CodingAgentError"], tuple[Any, ...]]:
        return type(self), (self.message, self.hint)
