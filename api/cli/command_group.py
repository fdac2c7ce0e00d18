"""The commands together: their help and their refusals are in the words of a command line."""

import re
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


_PYTHON_TYPE: Final = re.compile(r"^([^-].*?) <\S+>$")
_AT_LEAST: Final = re.compile(r"\bx>=(\d+)(?=\]$)")
_BETWEEN: Final = re.compile(r"(?<!\d)(\d++)<=x<=(\d++)(?=\]$)")


class HelpContext(typer.Context):
    def make_formatter(self) -> Any:
        """What writes the help: arguments without types of Python, ranges in words."""
        formatter: Any = super().make_formatter()
        write = formatter.write_dl
        formatter.write_dl = lambda rows: write([_in_words(*row) for row in rows])
        return formatter


class CommandGroup(TyperGroup):
    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            command.context_class = HelpContext
        return command

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = describe_misfit(error)
            raise


def _in_words(name: str, text: str) -> tuple[str, str]:
    """A row of a help: what is written, and what it means."""
    text = _BETWEEN.sub(r"\1 to \2", _AT_LEAST.sub(r"at least \1", text))
    return _PYTHON_TYPE.sub(r"\1", name), text


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
