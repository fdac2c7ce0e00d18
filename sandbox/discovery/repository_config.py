"""`.coding-agent.toml`: what a repository itself says of its set-up and its checks."""

import tomllib
from dataclasses import dataclass
from typing import Final

from sandbox.discovery.repository_facts import OWN_SETTINGS

_MOST_COMMANDS: Final = 20
_LONGEST_COMMAND: Final = 4000
_KEYS: Final = ("setup", "validate")
_LONGEST_REASON = 200


@dataclass(frozen=True)
class OwnSettings:
    """What the file does not say is None; `notes` say what of it is left out."""

    setup: tuple[str, ...] | None = None
    validate: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


def read_own_settings(text: str) -> OwnSettings:
    """What the file says; what cannot be used of it is told of and left out."""
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return left_out(f"it is not TOML ({str(error)[:_LONGEST_REASON]})")
    notes = [
        f"`{OWN_SETTINGS}`: `{ascii(key[:80])[1:-1]}` is no setting; it has `setup` and `validate`."
        for key in table
        if key not in _KEYS
    ]
    lists: dict[str, tuple[str, ...]] = {}
    for key in _KEYS:
        commands = _commands(table.get(key))
        if commands is not None:
            lists[key] = commands
        elif key in table:
            notes.append(
                f"`{OWN_SETTINGS}`: `{key}` is left out: it must be a list of at most"
                f" {_MOST_COMMANDS} commands."
            )
    return OwnSettings(lists.get("setup"), lists.get("validate"), tuple(notes[:5]))


def left_out(reason: str) -> OwnSettings:
    return OwnSettings(notes=(f"`{OWN_SETTINGS}` is left out: {reason}.",))


def _commands(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list) or len(value) > _MOST_COMMANDS:
        return None
    commands = tuple(command for command in value if _is_command(command))
    return commands if len(commands) == len(value) else None


def _is_command(value: object) -> bool:
    return (
        isinstance(value, str)
        and bool(value.strip())
        and "\0" not in value
        and len(value) <= _LONGEST_COMMAND
    )
