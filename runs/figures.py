"""What runs came to, week by week and repository by repository."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from statistics import median
from typing import Final

from graph import repo_name
from runs.store.outcome import Outcome

_DAY_S: Final = 86_400


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


def figures_of(outcomes: Iterable[Outcome]) -> list[Figures]:
    """The newest week first, and within it repositories by name; of runs, the newest first."""
    days: dict[tuple[float, str], list[Outcome]] = defaultdict(list)
    for one in outcomes:
        days[one.created_at // _DAY_S, one.repo_url].append(one)
    groups: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for (day, repo_url), found in days.items():
        groups[_week_of_day(int(day)), repo_name(repo_url)] += found
    ordered = sorted(groups.items(), key=lambda item: item[0][1])
    ordered.sort(key=lambda item: item[0][0], reverse=True)
    return [_figures(week, repo, found) for (week, repo), found in ordered]


def week_of(seconds: float) -> str:
    """The ISO week of a moment (Unix seconds)."""
    return _week_of_day(int(seconds // _DAY_S))


@lru_cache(maxsize=1024)
def _week_of_day(day: int) -> str:
    year, week, _ = datetime.fromtimestamp(day * _DAY_S, UTC).isocalendar()
    return f"{year}-W{week:02d}"


def begin_of_weeks(now: float, weeks: int) -> float:
    """The Monday that begins the first of so many weeks, of which the last is this one."""
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today - timedelta(days=today.weekday(), weeks=weeks - 1)).timestamp()


def _figures(week: str, repo: str, found: list[Outcome]) -> Figures:
    costs = [one.cost_usd for one in found]
    waits = [one.published_at - one.created_at for one in found if one.published_at]
    pulled = [one for one in found if one.pr_number]
    drafts = Counter(one.reason or "asked_for" for one in pulled if one.pr_draft)
    return Figures(
        week=week,
        repo=repo,
        repo_url=found[0].repo_url,
        runs=len(found),
        pulls=frozenset(one.pr_number for one in pulled if one.pr_number),
        cost_usd=round(sum(cost for cost in costs if cost is not None), 8),
        unpriced=costs.count(None),
        seconds_to_pull=round(median(waits), 1) if waits else None,
        drafts=dict(sorted(drafts.items())),
    )
