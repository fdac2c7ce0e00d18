"""The commands together: a value that does not fit is told in the words of a command line."""

from typing import Any, Final

import typer
from typer.core import TyperGroup

_WORDS: Final = {
    "int_parsing": "{value!r} is not a whole number.",
    "int_parsing_size": "The number is too large.",
    "float_parsing": "{value!r} is not a number.",
    "greater_than_equal": "It takes at least {ge:g}.",
    "less_than_equal": "It takes at most {le:g}.",
    "string_unicode": "It is not UTF-8 text.",
}
"""By the types of pydantic's errors, which typer passes on."""


class CommandGroup(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = describe_misfit(error)
            raise


def describe_misfit(error: typer.BadParameter) -> str:
    """Why a value does not fit, without a word of the library that tried it."""
    from pydantic import ValidationError  # where an error is told it is loaded, for help it is not

    if not isinstance(error.__cause__, ValidationError):
        return error.message
    fault = error.__cause__.errors(include_url=False)[0]
    if words := _WORDS.get(fault["type"]):
        return words.format(value=fault["input"], **fault.get("ctx", {}))
    if fault["type"] == "value_error":  # of a check by typer itself
        return error.message.removeprefix("Value error, ")
    return f"{fault['input']!r} does not fit."
