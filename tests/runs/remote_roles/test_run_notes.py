"""What a role's function is told of its run, where the table of notes fails for a moment."""

from pathlib import Path
from typing import Any

import pytest

from graph.errors import StoreUnavailable
from runs.model.attempts import Step
from runs.remote_roles.run_notes import NoteReader, RunNote, put_run_note
from runs.shared.store import SharedStore
from runs.shared.version_chain import VersionChain, run_note
from tests.standins.sample_runs import run_of
from tests.standins.shared_backend import MemoryTable, SharedPlaces
from tests.support.polling import until


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


async def test_a_look_at_a_record_is_one_read_and_never_goes_back(tmp_path: Path) -> None:
    shared = SharedPlaces(tmp_path)
    store = SharedStore(shared.backend, service="one", slots=1)
    run, _ = await store.create(run_of(), None, lambda _: [])
    await until(lambda: run.run_id in shared.tables["runs"].kept)
    old = shared.tables["runs"].kept[run.run_id]
    await store.transact(run.run_id, lambda found: Step(found.replace(fence=3)))
    places = shared.backend.changes, VersionChain(shared.backend), shared.backend.runs
    reader = NoteReader(*places)
    assert (await reader.read(run.run_id)) == RunNote(fence=3, messages=0, stopped=False)
    shared.tables["runs"].kept[run.run_id] = old  # a copy that came late
    read = shared.tables["runs"].read + shared.tables["changes"].read
    assert (await reader.read(run.run_id)) == RunNote(fence=3, messages=0, stopped=False)
    assert shared.tables["runs"].read + shared.tables["changes"].read == read + 1


async def test_an_old_copy_stops_no_role_of_a_run_that_was_resumed(tmp_path: Path) -> None:
    shared = SharedPlaces(tmp_path)
    store = SharedStore(shared.backend, service="one", slots=1)
    run, _ = await store.create(run_of(), None, lambda _: [])
    await store.transact(run.run_id, lambda found: Step(found.replace(status="failed")))
    old = shared.tables["runs"].kept[run.run_id]
    await store.transact(run.run_id, lambda found: Step(found.replace(status="running", fence=2)))
    await store.close()
    shared.tables["runs"].kept[run.run_id] = old  # a copy that came late
    places = shared.backend.changes, VersionChain(shared.backend), shared.backend.runs
    note = RunNote(fence=2, messages=0, stopped=False)
    assert (await NoteReader(*places).read(run.run_id)) == note
    await store.transact(run.run_id, lambda found: Step(found.replace(status="failed")))
    note = RunNote(fence=2, messages=0, stopped=True)
    assert (await NoteReader(*places).read(run.run_id)) == note
