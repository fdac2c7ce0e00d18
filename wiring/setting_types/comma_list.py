"""Settings that are lists: text in, values out."""

from collections.abc import Callable

from pydantic import BeforeValidator


def listed(text: str) -> list[str]:
    """The parts between commas, without those that are empty."""
    return [part.strip() for part in text.split(",") if part.strip()]


def from_text(parse: Callable[[str], object]) -> BeforeValidator:
    """Parses a value that is given as text; others are taken as they are."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)
