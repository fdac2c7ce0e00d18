"""`verify`: a pull request's receipt, held against its commands run again here."""

from pathlib import Path
from typing import TYPE_CHECKING

from api.exit_codes import FAILED
from api.terminal.display.print_lines import print_lines
from api.terminal.text.safe_text import clean_line
from api.terminal.text.styled_line import Line
from graph import CommandReport

if TYPE_CHECKING:
    from wiring import CheckedCommand, Settings


async def verify_pull(settings: "Settings", url: str, key: Path | None = None) -> int:
    """Print what agrees and what does not; 0 where all does."""
    from wiring import Machine, verify_receipt

    async with Machine(settings) as machine:
        verified = await verify_receipt(machine, url, lambda _: None, key)
    print_lines([_command_line(command) for command in verified.commands])
    print_lines([Line(clean_line(note)) for note in verified.notes])
    print_lines([Line(clean_line(fault), tone="bad") for fault in verified.faults])
    end = "The receipt holds." if verified.holds else "The receipt does not hold."
    print_lines([Line(end, tone="strong")])
    return 0 if verified.holds else FAILED


def _command_line(command: "CheckedCommand") -> Line:
    told = command.told
    shell = f"cd {told.folder} && {told.command}" if told.folder else told.command
    parts = [
        "agrees" if command.agrees else "differs",
        f"told {told.status} ({told.exit_code}), ended {_ended(command.head)}",
    ]
    if told.base_status is not None and command.base is not None:
        parts.append(
            f"base: told {told.base_status} ({told.base_exit_code}), ended {_ended(command.base)}"
        )
    if not command.found:
        parts.append("not among the checks that the trusted base asks for")
    text = clean_line(f"{shell}: {'; '.join(parts)}")
    return Line(text, tone="plain" if command.agrees else "bad")


def _ended(report: CommandReport | None) -> str:
    return f"{report.status} ({report.exit_code})" if report else "not at all"
