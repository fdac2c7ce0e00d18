"""A receipt's commands run again in the sandbox, on the pull request's head and on its base.

It takes neither a log of the run nor a model. What the receipt says is a stranger's word: its
commands run where all code of repositories runs, and nothing else of it is acted on.
"""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from forge.base import SingleCommits
from forge.core import PullFacts
from forge.receipt import Receipt, ReceiptCommand
from graph import Base, Check, CommandReport, Emit, PreparationRequest, RunFolder
from graph.errors import RepositoryNotFound
from runs.driving import LocalRunFiles
from runs.model import RunIds
from sandbox.checks import SandboxChecks
from wiring.machine import Machine
from wiring.verification.find_receipt import find_receipt
from wiring.verification.judge_signature import find_signers, judge_signature
from wiring.verification.verification import CheckedCommand, Verification

_SHORT: Final = 10
_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_MOST_COMMANDS: Final = 40


@dataclass(frozen=True)
class _Ran:
    """How commands ended on a base, by their shell text; and what the trusted base asks for."""

    reports: dict[str, CommandReport]
    asked: tuple[Check, ...]


async def verify_receipt(
    machine: Machine, url: str, emit: Emit, key: Path | None = None
) -> Verification:
    """Find the receipt, run its commands, compare. `key`: a file of who may have signed it.

    Raises CodingAgentError.
    """
    async with _Folders(machine) as folders:
        head = await machine.services.repositories.prepare_pull(await folders.open(), url, emit)
        assert head.pull
        pull = await machine.forge.pull(head.full_name, head.pull.number, emit)
        found = await find_receipt(machine.forge, head.full_name, pull, head.sha)
        if (receipt := found.receipt) is None:
            return Verification(None, faults=("There is no receipt.",), notes=found.notes)
        own = machine.configuration.signing_key
        signers = await find_signers(machine.forge, pull, key, own)
        fault, note = await judge_signature(found, signers)
        faults = (*filter(None, (fault,)), *_mismatches(receipt, head, pull))
        notes = (*found.notes, *filter(None, (note,)))
        commands = receipt.commands[:_MOST_COMMANDS]
        checks = [_check(command) for command in commands]
        on_head = await _run(machine, folders.names[0], head, checks, emit)
        commit, on_base = receipt.base_commit, dict[str, CommandReport]()
        if await _is_below(machine, head, commit):
            name = await folders.open()
            base = await _make_base(machine, head, commit, name)
            on_base = (await _run(machine, name, base, checks, emit)).reports
            notes = (*notes, *_base_notes(head, commit))
        else:
            faults = (*faults, f"Its base {commit[:_SHORT]!r} is not below the head.")
    asked = {check.shell for check in on_head.asked}
    compared = (
        CheckedCommand(
            told,
            on_head.reports.get(check.shell),
            on_base.get(check.shell),
            check.shell in asked,
        )
        for told, check in zip(commands, checks, strict=True)
    )
    left_out = sorted(asked - {check.shell for check in checks})
    faults = (*faults, *_untested(on_head.asked, checks))
    return Verification(receipt, tuple(compared), faults, (*notes, *map(_omission, left_out)))


async def _make_base(machine: Machine, head: Base, commit: str, run_id: str) -> Base:
    folder = RunFolder.of(machine.runs, run_id).base_git
    return await SingleCommits(machine.forge).make_base(head.trusted_base, commit, folder)


async def _is_below(machine: Machine, head: Base, commit: str) -> bool:
    """Whether a commit is the newest of the base branch, or one that the head comes from."""
    if not _COMMIT.fullmatch(commit) or commit == head.sha:
        return False
    if commit == head.trusted_base.sha:
        return True
    try:
        return await machine.forge.merge_base(head.full_name, commit, head.sha) == commit
    except RepositoryNotFound:
        return False


def _base_notes(head: Base, commit: str) -> Iterator[str]:
    """What the base that was compared is, where it is not the newest of its branch."""
    assert head.pull
    newest = head.trusted_base.sha
    if commit == newest:
        return
    yield f"{head.branch} has moved to {newest[:_SHORT]}: {commit[:_SHORT]} is what is compared."
    if commit != head.pull.start.sha:
        yield (
            f"{commit[:_SHORT]} is a commit of the pull request itself: what comes before it is"
            " not in this receipt."
        )


def _untested(asked: Sequence[Check], checks: Sequence[Check]) -> Iterator[str]:
    """A fault where the receipt has other commands than the tests of the base, and none of them."""
    tests = {check.shell for check in asked if check.kind == "test"}
    if tests and not tests.intersection(check.shell for check in checks):
        yield "None of its commands is a test that the trusted base asks for."


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
    return _Ran(reports, found.checks)


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
