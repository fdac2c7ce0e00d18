"""What a role's function is told of its run, where the table of notes fails for a moment."""

from typing import Any

import pytest

from graph.errors import StoreUnavailable
from runs.remote_roles.run_notes import RunNote, put_run_note
from runs.shared.version_chain import run_note
from tests.standins.sample_runs import run_of
from tests.standins.shared_backend import MemoryTable


class PassingFault(MemoryTable):
    """Its first `put` fails."""

    fails = True

    async def put(self, key: str, value: Any) -> None:
        if self.fails:
            self.fails = False
            raise StoreUnavailable("The table does not answer.")
        await super().put(key, value)


@pytest.mark.slow
async def test_a_note_that_cannot_be_left_at_once_is_left_soon() -> None:
    notes, run = PassingFault(), run_of(fence=3)
    await put_run_note(notes, run)
    assert RunNote(**await notes.get(run_note(run.run_id))) == RunNote.of(run)
