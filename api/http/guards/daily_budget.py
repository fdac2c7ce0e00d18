"""What the runs of one key have cost today."""

from datetime import UTC, datetime, timedelta
from typing import Final

from api.http.guards.problems import ProblemError
from runs import RunService
from runs.model import Caller, RunRecord

_PAGE: Final = 100


class DailyBudget:
    """The limit of money for each key and day (UTC), by the day its runs were started.

    0: no limit. A run whose model has no known price counts nothing; one that is removed counts on.
    """

    def __init__(self, max_cost_usd: float) -> None:
        self._max_cost_usd = max_cost_usd
        self._known: dict[tuple[str, int], float] = {}
        self._since = 0.0

    async def check(self, service: RunService, caller: Caller) -> None:
        """Raises Refused (429) once the day's money is spent."""
        if not self._max_cost_usd:
            return
        now = datetime.now(UTC)
        midnight = _midnight(now)
        if await self._spent(service, caller.name, midnight.timestamp()) < self._max_cost_usd:
            return
        wait = midnight + timedelta(days=1) - now
        raise ProblemError(
            429,
            "daily_budget_exhausted",
            "The runs of this key have cost today what they may.",
            hint="Wait until midnight UTC, or raise CODING_AGENT_KEY_MAX_COST_USD_PER_DAY.",
            headers={"Retry-After": str(int(wait.total_seconds()) + 1)},
        )

    async def _spent(self, service: RunService, name: str, since: float) -> float:
        self._begin(since)
        caller, spent, cursor = Caller(name), 0.0, None
        while True:
            records, cursor = await service.list(
                caller, status=None, repo=None, limit=_PAGE, cursor=cursor
            )
            today = [record for record in records if record.created_at >= since]
            for record in today:
                spent += await self._cost(service, caller, record)
            if cursor is None or len(today) < len(records):
                return spent + await service.removed_cost(name, since)

    def _begin(self, since: float) -> None:
        """A new day forgets the one before."""
        if self._since != since:
            self._since, self._known = since, {}

    async def _cost(self, service: RunService, caller: Caller, record: RunRecord) -> float:
        """The cost of an attempt that has ended is read once."""
        attempt = (record.run_id, record.attempt)
        if attempt in self._known:
            return self._known[attempt]
        view = await service.view(record.run_id, caller)
        cost = float(view.get("costUsd") or 0.0)
        if record.final:
            self._known[attempt] = cost
        return cost


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
