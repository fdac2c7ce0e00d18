"""What a role's function is told of the run that called it.

It holds no address of a database. Where records are in one, who drives the run leaves a note.
"""

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

from graph import RetryPolicy, retry
from graph.errors import StoreError
from runs.model.run import Run
from runs.shared.backend import Table
from runs.shared.run_version import RunVersion
from runs.shared.version_chain import VersionChain, run_note

_POLICY: Final = RetryPolicy(attempts=4, first_s=0.5)


@dataclass(frozen=True)
class RunNote:
    """The number of the newest role call and of the newest message; `stopped`: none is wanted."""

    fence: int
    messages: int
    stopped: bool

    @classmethod
    def of(cls, run: Run) -> "RunNote":
        return cls(run.fence, run.messages, run.final or run.cancelling)


async def put_run_note(notes: Table, run: Run) -> None:
    """Let the role that is played for a run know how the run is. Raises StoreError."""
    note = asdict(RunNote.of(run))
    await retry(partial(notes.put, run_note(run.run_id), note), _POLICY, on=StoreError)


class NoteReader:
    """Reads what a role is to know of its run: the note, or the record where that is in a table.

    One serves a process: of all runs, the records are in the same place.
    """

    def __init__(self, notes: Table, chain: VersionChain, copies: Table) -> None:
        """`copies` has the newest version of each run; a copy may come late, or not at all."""
        self._notes = notes
        self._chain = chain
        self._copies = copies
        self._is_noted: bool | None = None
        self._read: RunVersion | None = None
        """The newest version that was read; a role looks for newer ones all the time."""

    async def read(self, run_id: str) -> RunNote | None:
        """None where there is no such run."""
        if self._is_noted is not False:
            note: dict[str, Any] | None = await self._notes.get(run_note(run_id))
            self._is_noted = self._is_noted or note is not None or None
            if self._is_noted:
                return RunNote(**note) if note else None
        version = await self._read_record(run_id)
        if version is None:
            return None
        self._is_noted = False
        return RunNote.of(version.run)

    async def _read_record(self, run_id: str) -> RunVersion | None:
        copy = await self._copies.get(run_id)
        version = RunVersion.load(copy) if copy else await self._chain.newest(run_id)
        before = self._read
        if version and before and before.run.run_id == run_id and before.number > version.number:
            version = before
        if copy and version and RunNote.of(version.run).stopped:
            version = await self._chain.newest_after(version)  # it may be resumed since
        self._read = version
        return version
