"""What pydantic found wrong with values, in words for people and models."""

from pydantic import ValidationError


def describe_faults(error: ValidationError) -> list[str]:
    """Where each value does not fit, and why, such as `limits.maxTurns: Input should be greater
    than 0`; never the value."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return [_describe(fault["loc"], fault["msg"]) for fault in faults]


def _describe(where: tuple[int | str, ...], message: str) -> str:
    place = ".".join(map(str, where))
    why = message.removeprefix("Value error, ")
    return f"{place}: {why}" if place else why
