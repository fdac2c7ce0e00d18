"""A receipt's commands run again in the sandbox, on the pull request's head and on its base.

It takes neither a log of the run nor a model. What the receipt says is a stranger's word: its
commands run where all code of repositories runs, and nothing else of it is acted on.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from forge.core import PullFacts
from forge.receipt import Receipt, ReceiptCommand
from graph import Base, Check, CommandReport, Emit, PreparationRequest
from runs.driving import LocalRunFiles
from runs.model import RunIds
from sandbox.checks import SandboxChecks
from wiring.machine import Machine
from wiring.verification.find_receipt import find_receipt, judge_signature
from wiring.verification.verification import CheckedCommand, Verification

_SHORT: Final = 10
_MOST_COMMANDS: Final = 40


@dataclass(frozen=True)
class _Ran:
    """How commands ended on a base, by their shell text; and what that base asks for itself."""

    reports: dict[str, CommandReport]
    found: frozenset[str]


async def verify_receipt(machine: Machine, url: str, emit: Emit) -> Verification:
    """Find the receipt, run its commands, compare. Raises CodingAgentError."""
    async with _Folders(machine) as folders:
        head = await machine.services.repositories.prepare_pull(await folders.open(), url, emit)
        assert head.pull
        pull = await machine.forge.pull(head.full_name, head.pull.number, emit)
        found = await find_receipt(machine.forge, head.full_name, pull, head.sha)
        if (receipt := found.receipt) is None:
            return Verification(None, faults=("There is no receipt.",), notes=found.notes)
        fault, note = await judge_signature(found, machine.configuration.signing_key)
        faults = (*filter(None, (fault,)), *_mismatches(receipt, head, pull))
        notes = (*found.notes, *filter(None, (note,)))
        base = await machine.services.repositories.prepare(
            await folders.open(), head.address, pull.base_branch, emit
        )
        if moved := base.sha != receipt.base_commit:
            told = f"{pull.base_branch} has moved to {base.sha[:_SHORT]}"
            notes = (*notes, f"{told}: what ended how on the base is not compared.")
        commands = receipt.commands[:_MOST_COMMANDS]
        checks = [_check(command) for command in commands]
        on_head = await _run(machine, folders.names[0], head, checks, emit)
        on_base = await _run(machine, folders.names[1], base, checks, emit)
    checked = (
        CheckedCommand(
            told,
            on_head.reports.get(check.shell),
            None if moved else on_base.reports.get(check.shell),
            check.shell in on_base.found,
        )
        for told, check in zip(commands, checks, strict=True)
    )
    left_out = sorted(on_base.found - {check.shell for check in checks})
    return Verification(receipt, tuple(checked), faults, (*notes, *map(_omission, left_out)))


def _omission(shell: str) -> str:
    return f"The base asks for `{shell}` too, which the receipt does not have."


def _check(command: ReceiptCommand) -> Check:
    return Check(command=command.command, folder=command.folder, source="caller")


def _mismatches(receipt: Receipt, head: Base, pull: PullFacts) -> list[str]:
    """Where the receipt is of something else than what is there."""
    faults = []
    if receipt.repository.lower() != head.full_name.lower():
        faults.append(f"It is of {receipt.repository}.")
    if (receipt.commit, receipt.tree) != (head.sha, head.tree):
        told = f"It is of commit {receipt.commit[:_SHORT]}; the head is {head.sha[:_SHORT]}."
        faults.append(told)
    if receipt.base_branch != pull.base_branch:
        faults.append(f"It is on {receipt.base_branch}; the base branch is {pull.base_branch}.")
    if not receipt.commands:
        faults.append("No command was run.")
    if len(receipt.commands) > _MOST_COMMANDS:
        faults.append(f"It names more than {_MOST_COMMANDS} commands.")
    return faults


async def _run(
    machine: Machine, run_id: str, base: Base, checks: Sequence[Check], emit: Emit
) -> _Ran:
    """Make the base ready by itself, and run the commands there; nothing that was kept counts."""
    services, deadline = machine.services, time.time() + machine.settings.run_timeout_s
    found = await services.checks.find(run_id, base, (), only=False, emit=emit)
    wanted = PreparationRequest(run_id, base, (), found.checks, deadline)
    with services.preparation.heard_by(run_id, emit):
        environment = await services.preparation.environment(wanted)
    await services.preparation.end(run_id)  # it runs checks of its own, in the same tree
    fresh = SandboxChecks(runs=machine.runs, sandboxes=machine.sandboxes)
    validation = await fresh.baseline(run_id, base, environment, tuple(checks), deadline, emit)
    reports = {report.shell: report for report in validation.commands}
    return _Ran(reports, frozenset(check.shell for check in found.checks))


class _Folders:
    """Folders of runs that are none, removed at the end."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.names: list[str] = []

    async def open(self) -> str:
        """A new one."""
        name = RunIds().new()
        self.names.append(name)
        await self._machine.services.workspaces.open(name)
        return name

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for name in self.names:
            await self._machine.services.close_run(name)
            await LocalRunFiles(self._machine.runs).remove(name)
