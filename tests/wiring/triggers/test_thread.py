"""Records of threads, and the names that they are kept by."""

import time
from pathlib import Path
from typing import Any

from forge.triggers.act import act_on_pull
from runs.deliveries import SqlDeliveries
from runs.sqlite import SqliteStore
from wiring.triggers.thread import Thread

REPOSITORY = 77


class ContendedDeliveries(SqlDeliveries):
    """Another process makes the comment of a thread as its record is about to be given up."""

    def __init__(self, store: SqliteStore) -> None:
        super().__init__(store.writer, store.dialect)
        self.comments = [11, 12]

    async def keep_thread(
        self,
        name: str,
        thread: dict[str, Any],
        now: float,
        *,
        live: bool,
        before: dict[str, Any] | None = None,
    ) -> bool:
        if not live and before and self.comments:
            made = {**before, "comment": self.comments.pop(0)}
            assert await super().keep_thread(name, made, now, live=True, before=before)
        return await super().keep_thread(name, thread, now, live=live, before=before)


async def test_a_renamed_thread_is_moved_as_it_is_in_the_end(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "runs.db")
    await store.open()
    deliveries = ContendedDeliveries(store)
    old = {"repo": "o/old", "number": 1, "repository": REPOSITORY, "runs": ["r1"]}
    other = {"repo": "o/other", "number": 1, "repository": REPOSITORY + 1}
    for name, kept in (("o/old#1", old), ("o/other#1", other)):
        assert await deliveries.keep_thread(name, kept, time.time(), live=True)
    act = act_on_pull("o/new", 1, "checks", "k").model_copy(update={"repository": REPOSITORY})
    moved = await Thread.load_for(deliveries, act)
    assert (moved.name, moved.runs, moved.comment) == ("o/new#1", ["r1"], 12)
    assert (await Thread.load(deliveries, "o/new", 1)).comment == 12
    assert await deliveries.live_threads() == ["o/new#1", "o/other#1"]
    await moved.keep(deliveries, live=True)
    await store.close()


async def test_what_was_kept_stays_readable(tmp_path: Path) -> None:
    """Under the names that it was kept by."""
    store = SqliteStore(tmp_path / "runs.db")
    await store.open()
    deliveries = SqlDeliveries(store.writer, store.dialect)
    review = {"run_id": "r1", "message": 2, "comments": [3]}
    kept = {"repo": "o/r", "number": 1, "told": [review]}
    assert await deliveries.keep_thread("o/r#1", kept, time.time(), live=True)
    thread = await Thread.load(deliveries, "o/r", 1)
    assert [each.comments for each in thread.message_reviews] == [[3]]
    await thread.keep(deliveries, live=True)
    again = await deliveries.thread("o/r#1")
    assert again
    assert again["told"] == [review]
    await store.close()
