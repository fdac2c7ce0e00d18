"""What runs came to, week by week and repository by repository."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from runs.model.repo_name import repo_name
from runs.model.run import Run


@dataclass(frozen=True)
class Figures:
    """The runs of one ISO week (`2026-W05`, UTC) on one repository.

    `pulls` are the numbers of their pull requests, `drafts` the reasons of those left as drafts.
    `cost_usd` leaves runs of unknown price out; `unpriced` says how many those are.
    """

    week: str
    repo: str
    repo_url: str
    runs: int
    pulls: frozenset[int]
    cost_usd: float
    unpriced: int
    seconds_to_pull: float | None
    """The median, from the run's start."""
    drafts: dict[str, int]


def figures_of(runs: Iterable[Run]) -> list[Figures]:
    """The newest week first, and within it repositories by name."""
    groups: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        groups[week_of(run.created_at), repo_name(run.request["repo_url"])].append(run)
    ordered = sorted(groups.items(), key=lambda item: item[0][1])
    ordered.sort(key=lambda item: item[0][0], reverse=True)
    return [_figures(week, repo, runs) for (week, repo), runs in ordered]


def week_of(seconds: float) -> str:
    """The ISO week of a moment (Unix seconds)."""
    year, week, _ = datetime.fromtimestamp(seconds, UTC).isocalendar()
    return f"{year}-W{week:02d}"


def begin_of_weeks(now: float, weeks: int) -> float:
    """The Monday that begins the first of so many weeks, of which the last is this one."""
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today - timedelta(days=today.weekday(), weeks=weeks - 1)).timestamp()


def _figures(week: str, repo: str, runs: list[Run]) -> Figures:
    costs = [run.spend.cost_usd for run in runs]
    waits = [run.published_at - run.created_at for run in runs if run.published_at]
    drafts = Counter(run.reason or "asked_for" for run in runs if run.pr_number and run.pr_draft)
    return Figures(
        week=week,
        repo=repo,
        repo_url=runs[0].request["repo_url"],
        runs=len(runs),
        pulls=frozenset(run.pr_number for run in runs if run.pr_number),
        cost_usd=round(sum(cost for cost in costs if cost is not None), 8),
        unpriced=costs.count(None),
        seconds_to_pull=round(median(waits), 1) if waits else None,
        drafts=dict(sorted(drafts.items())),
    )
