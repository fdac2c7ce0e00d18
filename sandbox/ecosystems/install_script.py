"""Steps of set-up as commands that try what stands in for what fails, and say how each ended.

What they say lies in a file of the tree's home, so that it is kept with what they install. Code
that is installed could write there: it is told to readers and roles, and decides nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Final

from graph import EnvironmentCommand, LeftOut
from sandbox.ecosystems.install_step import PARTLY, InstallStep

REPORT: Final = "/home/agent/.setup-report"
READS_MANIFESTS: Final = "# reads manifests and lock files alone\n"
"""How the script of a step begins that reads nothing else."""
_VERSIONS: Final = (
    *("SETUPTOOLS_SCM_PRETEND_VERSION", "PDM_BUILD_SCM_VERSION", "PBR_VERSION"),
    *("POETRY_DYNAMIC_VERSIONING_BYPASS", "UV_DYNAMIC_VERSIONING_BYPASS"),
)
"""What builds take for the version that they would ask git for."""
_SHOWN: Final = 1500
_LONGEST_REPORT: Final = 1 << 20
# Each record: step, exit code, milliseconds, and the end of what the command printed.
_TRY: Final = f"""\
try() {{
  local began=$(date +%s%3N) said=$(mktemp) code
  bash -c "$2" >"$said" 2>&1 </dev/null; code=$?
  {{ printf '%s\\0%s\\0%s\\0' "$1" "$code" $(($(date +%s%3N) - began))
    tail -c {_SHOWN} "$said" | tr -d '\\0'; printf '\\0'; }} >>{REPORT}
  tail -c {_SHOWN} "$said"; rm "$said"; return $code
}}
"""


@dataclass(frozen=True)
class Attempt:
    """How one command of a step ended. `output` is the end of what it printed."""

    exit_code: int
    duration_ms: int
    output: str


def install_script(step: InstallStep, name: str, version: str = "") -> str:
    """The command of a step. It fails only where a needed step does.

    `version` is what builds that ask git for theirs are told.
    """
    tried = _tried(step, name)
    head = "" if step.builds else READS_MANIFESTS
    if version:
        told = (f"{variable}={quote(version)}" for variable in _VERSIONS)
        head += f"export {' '.join(told)}\n"
    return f"{head}{_TRY}{tried}" if step.needed else f"{head}{_TRY}{tried} || true"


def _tried(step: InstallStep, name: str) -> str:
    commands = [step.command, *step.instead]
    tries = [f"try {name}/{at} {quote(command)}" for at, command in enumerate(commands)]
    if step.parts:
        parts = (f"{{ {_tried(part, f'{name}.{at}')}; }}" for at, part in enumerate(step.parts))
        tries.append(f"{{ {'; '.join(parts)}; true; }}")
    return " || ".join(tries)


def parse_report(report: bytes) -> dict[str, Attempt]:
    """What was tried, by name; of one that was tried again, the last."""
    fields = report[:_LONGEST_REPORT].decode(errors="replace").split("\0")
    found: dict[str, Attempt] = {}
    for name, code, milliseconds, output in zip(*(fields[at::4] for at in range(4)), strict=False):
        if code.isdigit() and milliseconds.isdigit():
            found[name] = Attempt(int(code[:3]), int(milliseconds[:9]), output.strip())
    return found


def read_step(
    step: InstallStep, name: str, folder: str, version: str, attempts: Mapping[str, Attempt]
) -> tuple[EnvironmentCommand, tuple[LeftOut, ...]]:
    """How a step ended, and what of it is left out and why."""
    commands = [step.command, *step.instead]
    tried = [(command, attempts.get(f"{name}/{at}")) for at, command in enumerate(commands)]
    held = next((command for command, attempt in tried if attempt and not attempt.exit_code), None)
    made = [attempt for _, attempt in tried if attempt]
    left = () if held else tuple(_left_out(step, name, made, attempts))
    partly = any(each.exit_code == PARTLY for _, each in _below(name, attempts))
    partly |= bool(step.parts) and len(left) < len(_leaves(step))
    return (
        EnvironmentCommand(
            command=held or step.command,
            folder=folder,
            script=install_script(step, name, version),
            status="ok" if held or partly else "failed",
            duration_ms=sum(each.duration_ms for _, each in _below(name, attempts)),
            output="" if held or not made else made[-1].output,
        ),
        left,
    )


def _left_out(
    step: InstallStep, name: str, made: Sequence[Attempt], attempts: Mapping[str, Attempt]
) -> Iterator[LeftOut]:
    """The smallest parts that none of their commands could install."""
    if not step.parts:
        why = made[-1].output if made else "It was not tried."
        yield LeftOut(what=step.what, why=why)
    for at, part in enumerate(step.parts):
        inner = f"{name}.{at}"
        tries = [attempts.get(f"{inner}/{n}") for n in range(1 + len(part.instead))]
        if not any(each and not each.exit_code for each in tries):
            yield from _left_out(part, inner, [each for each in tries if each], attempts)


def _leaves(step: InstallStep) -> list[InstallStep]:
    return [leaf for part in step.parts for leaf in _leaves(part)] if step.parts else [step]


def _below(name: str, attempts: Mapping[str, Attempt]) -> Iterator[tuple[str, Attempt]]:
    for tried, attempt in attempts.items():
        if tried.startswith((f"{name}/", f"{name}.")):
            yield tried, attempt
