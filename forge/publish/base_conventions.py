"""Conventions of a run's base, found once and kept in the run's folder."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from forge.text.conventions import Conventions, find_conventions
from graph import RunFolder
from graph.errors import CodingAgentError
from graph.files import write_whole

log = logging.getLogger(__name__)

_FILE: Final = "conventions.json"


async def base_conventions(
    run: RunFolder, read_messages: Callable[[], Awaitable[Sequence[str]]]
) -> Conventions:
    """What the base's commits have in common; nothing where they cannot be read.

    No run depends on it, so that an error of the forge ends none.
    """
    path = run.root / _FILE
    if kept := await asyncio.to_thread(_load, path):
        return kept
    try:
        found = find_conventions(await read_messages())
    except CodingAgentError as error:
        log.warning("the base's commits were not read: %s", error.code)
        return Conventions()
    await asyncio.to_thread(write_whole, path, found.model_dump_json().encode())
    return found


def _load(path: Path) -> Conventions | None:
    try:
        return Conventions.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
