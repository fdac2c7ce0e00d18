"""The tool calls of a run that were made before, by the transcripts that hold them."""

import logging
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from graph import RoleName
from graph.errors import StoreDamaged
from roles.transcript.transcript import AssistantMessage, load_messages

log = logging.getLogger(__name__)


def earlier_calls(transcripts: Path, roles: Collection[RoleName]) -> Iterator[dict[str, Any]]:
    """What tools were given by these roles, in order; what cannot be read is left out. Blocks."""
    for folder in sorted(transcripts.glob("*-*")):
        if re.sub(r"^\d+-", "", folder.name) not in roles:
            continue
        try:
            messages = load_messages(folder)
        except StoreDamaged as error:
            log.warning("the calls of %s are not known: %s", folder.name, error)
            continue
        for message in messages:
            if isinstance(message, AssistantMessage):
                yield from (call["input"] for call in message.tool_calls)
