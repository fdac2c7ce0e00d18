"""Money of a day (UTC): what its runs have cost, and what those under way may still cost."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from graph import FINAL_STATUSES
from graph.errors import DailyBudgetExhausted
from runs.model.removed_run import RemovedRun
from runs.model.run import Run

_SOON_S: Final = 60


@dataclass(frozen=True)
class DayLimits:
    """US dollars a day that the whole service and one caller may spend; 0: no limit.

    `whole`: a run that goes on under the limit it has needs all of that; else it may get less.
    """

    service_usd: float = 0.0
    caller_usd: float = 0.0
    whole: bool = False

    def strict(self) -> "DayLimits":
        """The same for a run that goes on under the limit it has."""
        return replace(self, whole=True)

    def __bool__(self) -> bool:
        return self.service_usd > 0 or self.caller_usd > 0


NO_DAY_LIMITS: Final = DayLimits()


@dataclass(frozen=True)
class DayCost:
    """What one run has cost of a day's money, and what it holds of it until it has ended."""

    run_id: str
    owner: str
    spent: float
    held: float = 0.0

    @classmethod
    def of(cls, run: Run, since: float) -> "DayCost":
        """A run counts on the day it was started; what it may still cost, while it works.

        One that waits for an answer holds nothing: it asks anew when it is answered.
        """
        working = run.status != "waiting" and run.status not in FINAL_STATUSES
        limit = _limit_of(run) if working else 0.0
        today = run.created_at >= since
        return cls.made_of(run.run_id, run.owner, run.spend.cost_usd, limit, today=today)

    @classmethod
    def made_of(
        cls, run_id: str, owner: str, cost_usd: float | None, limit: float | None, *, today: bool
    ) -> "DayCost":
        """`limit` is what a run that works may cost in all, None without one; else it is 0."""
        spent = cost_usd or 0.0
        most = float("inf") if limit is None else limit
        return cls(run_id, owner, spent if today else 0.0, max(0.0, most - spent))

    @classmethod
    def of_removed(cls, run: RemovedRun) -> "DayCost":
        return cls(run.run_id, run.owner, run.cost_usd or 0.0)


def day_began(now: float) -> float:
    """Midnight before, in Unix seconds."""
    return _midnight(now).timestamp()


def hold_money(run: Run, others: Iterable[DayCost], limits: DayLimits, now: float) -> Run:
    """The run with no higher limit than the day has left. Raises DailyBudgetExhausted.

    What does not fit beside runs under way waits for them; what never will is started with less.
    """
    costs = [cost for cost in others if cost.run_id != run.run_id]
    theirs = [cost for cost in costs if cost.owner == run.owner]
    spent = run.spend.cost_usd or 0.0
    wanted = granted = max(0.0, _limit_of(run) - spent)
    own = spent if run.created_at >= day_began(now) else 0.0
    for limit, known, setting, whose in (
        (limits.service_usd, costs, "CODING_AGENT_MAX_COST_USD_PER_DAY", "this service"),
        (limits.caller_usd, theirs, "CODING_AGENT_KEY_MAX_COST_USD_PER_DAY", "this key"),
    ):
        if limit > 0:
            used = own + sum(cost.spent for cost in known)
            held = sum(cost.held for cost in known)
            left = limit - used
            if limits.whole and wanted > left > 0:
                left = 0.0
            granted = min(granted, _grant(left, held, wanted, setting, whose, now))
    if granted == wanted:
        return run
    request = {**run.request, "max_cost_usd": spent + granted}
    return run.replace(request=request)


def _grant(left: float, held: float, wanted: float, setting: str, whose: str, now: float) -> float:
    if left <= 0:
        wait = _midnight(now) + timedelta(days=1) - datetime.fromtimestamp(now, UTC)
        raise DailyBudgetExhausted(
            f"The runs of {whose} have cost today what they may, or leave less than is needed.",
            f"Wait until midnight UTC, or raise {setting}.",
            wait_s=int(wait.total_seconds()) + 1,
        )
    if held and wanted > left - held:
        raise DailyBudgetExhausted(
            f"Runs under way hold what {whose} may still spend today.",
            f"Wait until one has ended, ask for less by maxCostUsd, or raise {setting}.",
            wait_s=_SOON_S,
        )
    return min(wanted, left)


def _limit_of(run: Run) -> float:
    """What the run may cost in all; without a limit it may cost all there is."""
    return run.request.get("max_cost_usd") or float("inf")


def _midnight(now: float) -> datetime:
    moment = datetime.fromtimestamp(now, UTC)
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
