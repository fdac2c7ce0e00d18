"""What runs came to, by week and repository."""

from datetime import UTC, datetime
from typing import Any

from graph.spending import Spend
from runs.figures import begin_of_weeks, figures_of, week_of
from runs.model.run_record import Caller
from runs.store.outcome import Outcome
from tests.standins.sample_runs import run_of
from tests.standins.services.run_service import ME, House, log_of, started

MONDAY = datetime(2026, 1, 26, tzinfo=UTC).timestamp()
DAY = 86_400.0


def run(at: float, repo: str = "https://github.com/o/r", **changes: Any) -> Outcome:
    request = {"repo_url": repo, "prompt": "p"}
    return Outcome.of(run_of(created_at=at, request=request, **changes))


def pull(number: int, after_s: float, **changes: Any) -> dict[str, Any]:
    return {"pr_number": number, "published_at": MONDAY + after_s, **changes}


def test_weeks_begin_on_monday_in_utc() -> None:
    assert (week_of(MONDAY), week_of(MONDAY - 1)) == ("2026-W05", "2026-W04")
    assert week_of(datetime(2027, 1, 1, tzinfo=UTC).timestamp()) == "2026-W53"
    assert begin_of_weeks(MONDAY + 3 * DAY, 1) == MONDAY
    assert begin_of_weeks(MONDAY, 2) == MONDAY - 7 * DAY


def test_a_row_a_week_and_repository() -> None:
    rows = figures_of(
        [
            run(MONDAY, spend=Spend(cost_usd=0.1), **pull(1, 60)),
            run(MONDAY, "o/R.git", spend=Spend(cost_usd=0.2), **pull(2, 180)),
            run(MONDAY, spend=Spend(cost_usd=None), **pull(2, 300)),
            run(MONDAY, status="failed"),
            run(MONDAY, "https://github.com/o/a"),
            run(MONDAY - DAY),
        ]
    )
    assert [(row.week, row.repo, row.runs) for row in rows] == [
        ("2026-W05", "o/a", 1),
        ("2026-W05", "o/r", 4),
        ("2026-W04", "o/r", 1),
    ]
    row = rows[1]
    assert row.pulls == frozenset((1, 2))
    assert (row.cost_usd, row.unpriced, row.seconds_to_pull) == (0.3, 1, 180.0)
    assert rows[0].seconds_to_pull is None


def test_drafts_are_told_with_their_reasons() -> None:
    draft: dict[str, Any] = {"pr_draft": True, "reason": "not_validated"}
    (row,) = figures_of(
        [
            run(MONDAY, **pull(1, 1, **draft)),
            run(MONDAY, **pull(2, 1, **draft)),
            run(MONDAY, **pull(3, 1, pr_draft=True)),
            run(MONDAY, **pull(4, 1, reason="not_validated")),
            run(MONDAY, **draft),
        ]
    )
    assert row.drafts == {"asked_for": 1, "not_validated": 2}


async def test_figures_are_of_the_runs_that_a_caller_may_read(house: House) -> None:
    async with house.open() as service:
        await log_of(service, await started(service))
        (row,), _ = await service.figures(ME, 1)
        assert (row.runs, row.repo) == (1, "octocat/hello")
        assert (await service.figures(Caller("you"), 1))[0] == []
