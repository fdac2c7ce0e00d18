"""What every store promises, tried on each."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from graph.errors import (
    DailyBudgetExhausted,
    IdempotencyMismatch,
    RunNotFound,
    RunRemoved,
    TooManyRuns,
)
from graph.spending import Spend
from runs.model.attempts import Step
from runs.model.day_budget import DayLimits
from runs.model.log_entry import Entry, entry_of
from runs.model.run import Lease, Run
from runs.model.run_id import new_run_id
from runs.shared.store import SharedStore
from runs.sqlite.store import SqliteStore
from runs.store.act import ACTS_KEPT_S
from runs.store.outcome import Outcome
from runs.store.protocol import IdempotencyKey, RunQuery, Store
from tests.standins.sample_runs import add, append, run_of, text
from tests.standins.shared_backend import SharedPlaces


def make_sqlite(folder: Path, _: pytest.FixtureRequest) -> Store:
    return SqliteStore(folder / "runs.db")


def make_dicts(folder: Path, _: pytest.FixtureRequest) -> Store:
    return SharedStore(SharedPlaces(folder).backend, service="one", slots=4)


def make_postgres(_: Path, request: pytest.FixtureRequest) -> Store:
    from runs.postgres import ConnectionOptions, PostgresStore

    server = request.getfixturevalue("postgres")
    return PostgresStore(ConnectionOptions(server.new_database()))


@pytest.fixture(
    params=[
        pytest.param(make_sqlite, id="sqlite"),
        pytest.param(make_dicts, id="dicts"),
        pytest.param(make_postgres, id="postgres", marks=pytest.mark.slow),
    ]
)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened: Store = request.param(tmp_path, request)
    await opened.open()
    yield opened
    await opened.close()


async def test_a_run_comes_back_as_it_was_kept(store: Store) -> None:
    run = run_of(
        request={"repo_url": "a/b", "prompt": "é\ud800".encode("utf-8", "replace").decode()},
        status="waiting",
        lease={"service": "s", "token": "t", "until": 1.0},
        plan_id="plan-1",
        answer={"plan_id": "plan-1", "approval": {"decision": "approve", "plan": {"summary": "s"}}},
        visits={"code": 2},
    )
    assert await add(store, run) == run
    assert await store.get(run.run_id) == run
    assert await store.get(new_run_id()) is None


async def test_a_change_of_the_request_is_kept(store: Store) -> None:
    run = await add(store)
    wanted = {**run.request, "max_cost_usd": 1.5}
    await store.transact(run.run_id, lambda found: Step(found.replace(request=wanted)))
    found = await store.get(run.run_id)
    assert found
    assert found.request == wanted


async def test_events_are_numbered_without_gaps_and_keys_add_once(store: Store) -> None:
    run = await add(store)
    await append(store, run, text("a", "k1"), text("b"), text("again", "k1"), text("c", "k2"))
    after = await append(store, run, text("again", "k2"), text("d"))
    events = await store.events(run.run_id, 0, 100)
    assert [(event.seq, event.data["text"]) for event in events] == [
        (1, "a"),
        (2, "b"),
        (3, "c"),
        (4, "d"),
    ]
    assert after.last_seq == 4
    other = await add(store)
    assert (await append(store, other, text("a", "k1"))).last_seq == 1


async def test_events_are_read_in_pages_and_by_type(store: Store) -> None:
    run = await add(store)
    opened = entry_of("", {"type": "node.started", "node": "code", "visit": 1})
    await append(store, run, *[text(str(number)) for number in range(5)], opened)
    assert [event.seq for event in await store.events(run.run_id, 2, 2)] == [3, 4]
    assert [event.seq for event in await store.events(run.run_id, 0, 9, ("node.started",))] == [6]


async def test_a_refused_change_leaves_nothing(store: Store) -> None:
    run = await add(store)

    def refuse(_: Run) -> Step:
        raise TooManyRuns("no")

    with pytest.raises(TooManyRuns):
        await store.transact(run.run_id, refuse)
    with pytest.raises(TooManyRuns):
        await store.create(run_of(), None, lambda _: refuse(run).entries)
    broken = Entry("", 0.0, {"type": "node.started"}, "{}")
    with pytest.raises(KeyError):
        await store.transact(run.run_id, lambda found: Step(found, (text("a"), broken)))
    assert await store.events(run.run_id, 0, 10) == []
    assert await store.get(run.run_id) == run
    assert len(await store.find(RunQuery())) == 1
    with pytest.raises(RunNotFound):
        await store.transact(new_run_id(), lambda _: None)


async def test_a_change_begun_is_carried_through_when_its_caller_is_cancelled(
    store: Store,
) -> None:
    run = await add(store)
    told: list[str | None] = []
    store.subscribe(told.append)

    def slowly(found: Run) -> Step:
        time.sleep(0.2)
        return Step(found, (text("a"),))

    task = asyncio.create_task(store.transact(run.run_id, slowly))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await append(store, run, text("b"))
    assert len(await store.events(run.run_id, 0, 10)) == 2
    assert [each for each in told if each] == [run.run_id, run.run_id]


async def test_an_idempotency_key_finds_its_run(store: Store) -> None:
    key = IdempotencyKey("me", "k", "digest")
    first, new = await store.create(run_of("me"), key, lambda _: [text("a")])
    assert new
    again, new = await store.create(run_of("me"), key, lambda _: [text("b")])
    assert (again.run_id, new) == (first.run_id, False)
    with pytest.raises(IdempotencyMismatch, match=first.run_id):
        await store.create(run_of("me"), IdempotencyKey("me", "k", "other"), lambda _: [])
    other, new = await store.create(
        run_of("you"), IdempotencyKey("you", "k", "digest"), lambda _: []
    )
    assert new
    assert other.run_id != first.run_id


async def test_a_key_starts_nothing_after_its_run_is_removed_until_its_time_is_over(
    store: Store,
) -> None:
    key, other = (IdempotencyKey("me", "k", digest) for digest in ("digest", "other"))
    first, _ = await store.create(run_of("me"), key, lambda _: [])
    await store.forget(first.created_at)
    assert not (await store.create(run_of("me"), key, lambda _: []))[1]
    await store.delete(first.run_id)
    await store.delete(first.run_id)
    await store.forget(first.created_at)
    with pytest.raises(RunRemoved, match=first.run_id):
        await store.create(run_of("me"), key, lambda _: [])
    with pytest.raises(IdempotencyMismatch, match=first.run_id):
        await store.create(run_of("me"), other, lambda _: [])
    assert [run.owner for run in await store.find(RunQuery())] == []
    await store.forget(first.created_at + 1)
    assert (await store.create(run_of("me"), other, lambda _: []))[1]


def priced(owner: str, limit: float, cost: float | None = 0.0, **changes: Any) -> Run:
    """A run that may cost so much and has cost so much."""
    run = run_of(owner, spend=Spend(cost_usd=cost), **changes)
    return run.replace(request={**run.request, "max_cost_usd": limit})


async def hold(store: Store, run: Run, day: DayLimits) -> float | None:
    """What a run that starts now may cost."""
    added, _ = await store.create(run, None, lambda _: [], day)
    return added.request.get("max_cost_usd")


async def test_a_day_is_held_by_what_is_under_way_and_spent_by_what_has_ended(
    store: Store,
) -> None:
    caller, everybody = DayLimits(caller_usd=10.0), DayLimits(service_usd=20.0)
    ended = await add(store, priced("me", 5.0, 3.0, status="succeeded"))
    await add(store, priced("me", 5.0, None, status="failed"))
    await add(store, priced("you", 50.0, 9.0, status="failed"))
    yesterday = time.time() - 86_400
    await add(store, priced("me", 99.0, 98.0, status="failed", created_at=yesterday))
    assert await hold(store, priced("me", 4.0), caller) == 4.0
    with pytest.raises(DailyBudgetExhausted, match="under way") as raised:
        await hold(store, priced("me", 4.0), caller)
    assert raised.value.wait_s == 60
    assert await hold(store, priced("me", 3.0), caller) == 3.0
    await store.delete(ended.run_id)
    with pytest.raises(DailyBudgetExhausted):
        await hold(store, priced("me", 1.0), caller)
    assert await hold(store, priced("you", 1.0), everybody) == 1.0
    with pytest.raises(DailyBudgetExhausted):
        await hold(store, priced("you", 1.0), everybody)


async def test_a_run_alone_may_spend_what_the_day_has_left(store: Store) -> None:
    day = DayLimits(caller_usd=10.0)
    await add(store, priced("me", 5.0, 7.5, status="succeeded"))
    assert await hold(store, priced("me", 5.0), day) == pytest.approx(2.5)
    await add(store, priced("you", 5.0, 10.0, status="succeeded"))
    with pytest.raises(DailyBudgetExhausted, match="cost today what they may") as raised:
        await hold(store, priced("you", 5.0), day)
    assert 0 < raised.value.wait_s <= 86_401
    assert await hold(store, priced("new", 0.0), day) == pytest.approx(10.0)


async def test_ten_at_once_hold_no_more_than_the_day_has(store: Store) -> None:
    day = DayLimits(service_usd=4.5)
    starts = (hold(store, priced(f"caller-{number}", 1.0), day) for number in range(10))
    ends = await asyncio.gather(*starts, return_exceptions=True)
    assert [end for end in ends if end == 1.0] == [1.0] * 4
    assert sum(isinstance(end, DailyBudgetExhausted) for end in ends) == 6


async def test_a_run_that_waits_holds_nothing_and_asks_anew(store: Store) -> None:
    day = DayLimits(caller_usd=10.0).strict()
    run = await add(store, priced("me", 6.0, 1.0, status="waiting"))
    other = priced("me", 9.0)
    assert await hold(store, other, day) == 9.0

    def answer(found: Run) -> Step:
        return Step(found.replace(status="queued"))

    with pytest.raises(DailyBudgetExhausted):
        await store.transact(run.run_id, answer, day)
    await store.transact(other.run_id, lambda found: Step(found.replace(status="failed")))
    answered = await store.transact(run.run_id, answer, day)
    assert answered
    assert answered.request["max_cost_usd"] == 6.0
    waiting = await add(store, priced("me", 6.0, 0.0, status="waiting"))
    with pytest.raises(DailyBudgetExhausted):
        await store.transact(waiting.run_id, answer, day)


async def test_a_resumed_run_holds_what_it_may_still_cost(store: Store) -> None:
    day = DayLimits(caller_usd=10.0)
    run = await add(store, priced("me", 6.0, 2.0, status="failed"))

    def resume(found: Run) -> Step:
        return Step(found.replace(status="queued", attempt=found.attempt + 1))

    assert await store.transact(run.run_id, resume, day)
    with pytest.raises(DailyBudgetExhausted):
        await hold(store, priced("me", 5.0), day)
    assert await hold(store, priced("me", 4.0), day) == 4.0


async def test_a_removed_run_leaves_nothing(store: Store) -> None:
    run, kept = await add(store), await add(store)
    await append(store, run, text("a"))
    await store.delete(run.run_id)
    await store.delete(run.run_id)
    assert await store.get(run.run_id) is None
    assert await store.events(run.run_id, 0, 10) == []
    assert [found.run_id for found in await store.find(RunQuery())] == [kept.run_id]


async def test_runs_are_found_newest_first_by_what_is_asked(store: Store) -> None:
    mine = [await add(store, run_of("me")) for _ in range(3)]
    url = {"repo_url": "https://HOST/OctoCat/Other.git", "prompt": "p"}
    pulled = "https://HOST/octocat/other/pull/7"
    yours = await add(store, run_of("you", status="failed", request=url, pr_url=pulled))

    async def found(**query: Any) -> list[str]:
        return [run.run_id for run in await store.find(RunQuery(**query))]

    assert await found() == [yours.run_id, *(run.run_id for run in reversed(mine))]
    assert await found(owner="me", limit=2) == [mine[2].run_id, mine[1].run_id]
    assert await found(owner="me", before=mine[1].run_id) == [mine[0].run_id]
    assert await found(status="failed") == [yours.run_id]
    assert await found(repo="octocat/other") == [yours.run_id]
    assert await found(repo="octocat/hello", status="failed") == []
    assert await found(pr_url=pulled) == [yours.run_id]
    assert await found(pr_url=pulled, owner="me") == []


def any_run(random: Random) -> Run:
    """A run of any figures."""
    repo = random.choice(("octocat/hello", "https://github.com/OctoCat/Hello.git", "a/é-\u2028"))
    return run_of(
        random.choice(("me", "you")),
        request={"repo_url": repo, "prompt": "p"},
        created_at=random.uniform(0.0, 2e9),
        spend=Spend(cost_usd=random.choice((None, 0.0, random.uniform(0.0, 9.0)))),
        published_at=random.choice((None, random.uniform(0.0, 2e9))),
        pr_number=random.choice((None, random.randrange(1, 2**40))),
        pr_draft=random.random() < 0.5,
        reason=random.choice((None, "not_validated", "it's “so”")),
    )


async def test_outcomes_are_what_the_records_say(store: Store) -> None:
    random = Random(1)
    for _ in range(40):
        await add(store, any_run(random))
    published = entry_of(
        "", {"type": "pr.created", "url": "u", "number": 7, "branch": "b", "draft": True}
    )
    await append(store, await add(store), published)
    runs = await store.find(RunQuery())
    assert len(runs) == 41
    for owner, since in ((None, 0.0), ("me", 1e9), ("nobody", 0.0), (None, runs[9].created_at)):
        wanted = [run for run in runs if owner in (None, run.owner) and run.created_at >= since]
        wanted.sort(key=lambda run: run.created_at, reverse=True)
        assert await store.outcomes(owner, since) == [Outcome.of(run) for run in wanted]


async def test_due_is_what_no_living_process_holds(store: Store) -> None:
    def lease(service: str, until: float) -> Lease:
        return Lease(service=service, token="t", until=until)

    due = [
        run_of(queued_at=3.0),
        run_of(status="running", queued_at=1.0, lease=lease("gone", 100.0)),
        run_of(status="running", queued_at=2.0, lease=lease("alive", 50.0)),
    ]
    others = [
        run_of(status="running", lease=lease("alive", 51.0)),
        run_of(lease=lease("alive", 51.0)),
        run_of(status="waiting"),
        run_of(status="failed"),
    ]
    for run in (*due, *others):
        await add(store, run)
    expected = [due[1].run_id, due[2].run_id, due[0].run_id]
    assert await store.due(50.0, frozenset({"gone"}), 10) == expected
    assert await store.due(50.0, frozenset({"gone"}), 1) == expected[:1]
    assert (await store.queue_state()).waiting == 1


async def test_runs_to_be_cancelled_are_told_to_who_holds_them(store: Store) -> None:
    is_held = Lease(service=store.service, token="t", until=1.0)
    mine = await add(store, run_of(status="running", cancelling=True, lease=is_held))
    await add(store, run_of(status="running", lease=is_held))
    other = is_held.model_copy(update={"service": "other"})
    await add(store, run_of(status="running", cancelling=True, lease=other))
    assert await store.cancelling() == [mine.run_id]


async def test_runs_unchanged_since_a_time(store: Store) -> None:
    old = await add(store, run_of(status="waiting", updated_at=10.0))
    await add(store, run_of(status="waiting", updated_at=20.0))
    await add(store, run_of(status="failed", updated_at=10.0))
    assert await store.unchanged_since({"waiting"}, 20.0) == [old.run_id]


async def test_acts_are_kept_in_order_and_stay_when_their_run_goes(store: Store) -> None:
    mine, yours = await add(store, run_of("me")), await add(store, run_of("you"))
    asked = entry_of("", {"type": "cancel.requested", "by": "ann"})
    said = entry_of("", {"type": "message.received", "by": "bob", "text": "secret", "number": 1})
    await append(store, mine, text("a"), asked)
    await append(store, yours, said)
    await store.delete(mine.run_id, "ann")
    await store.delete(yours.run_id)
    acts = await store.acts(None, None, 10)
    assert [(act.run_id, act.kind, act.by) for act in acts] == [
        (mine.run_id, "run.removed", "ann"),
        (yours.run_id, "message.received", "bob"),
        (mine.run_id, "cancel.requested", "ann"),
    ]
    assert acts[1].details == {"number": 1}
    assert await store.acts("you", None, 10) == acts[1:2]
    assert await store.acts(None, acts[0].place, 1) == acts[1:2]
    assert await store.acts(None, acts[2].place, 10) == []
    await store.forget(time.time())
    assert len(await store.acts(None, None, 10)) == 3
    await store.forget(time.time() + ACTS_KEPT_S + 60)
    assert await store.acts(None, None, 10) == []


@pytest.mark.parametrize("since", [None, 2.0, 3.0, 4.0])
async def test_runs_that_changed_since_come_by_the_time_of_their_change(
    store: Store, since: float | None
) -> None:
    for at in (3.0, 2.0, 1.0):
        await add(store, run_of(updated_at=at, status="failed"))
    found = await store.find(RunQuery(changed_since=1.5 if since is None else since))
    expected = {None: [2.0, 3.0], 2.0: [2.0, 3.0], 3.0: [3.0], 4.0: []}[since]
    assert [run.updated_at for run in found] == expected
