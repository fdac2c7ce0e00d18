"""Runs and events as the tests of stores use them."""

from typing import Any

from runs.model.attempts import Step
from runs.model.log_entry import Entry, entry_of
from runs.model.run import Run
from runs.model.run_id import new_run_id
from runs.store.protocol import Store


def run_of(owner: str = "local", **changes: Any) -> Run:
    request = {"repo_url": "octocat/hello", "prompt": "p"}
    return Run.model_validate(
        {"run_id": new_run_id(), "owner": owner, "request": request, **changes}
    )


def text(words: str, key: str = "") -> Entry:
    return entry_of(key, {"type": "role.text", "role": "coder", "text": words})


async def add(store: Store, run: Run | None = None) -> Run:
    added, new = await store.create(run or run_of(), None, lambda _: [])
    assert new
    return added


async def append(store: Store, run: Run, *entries: Entry) -> Run:
    changed = await store.transact(run.run_id, lambda found: Step(found, entries))
    assert changed
    return changed
