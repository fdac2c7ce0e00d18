"""The limit of what the runs of one key may cost a day."""

from datetime import UTC, datetime, timedelta

from api.http.guards.problems import ProblemError
from runs import RunService


class DailyBudget:
    """US dollars a key and day (UTC), by the day its runs started; 0: no limit."""

    def __init__(self, max_cost_usd: float) -> None:
        self._max_cost_usd = max_cost_usd

    async def check(self, service: RunService, name: str) -> None:
        """Raises ProblemError (429) once the day's money of the key `name` is spent."""
        now = datetime.now(UTC)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if (
            not self._max_cost_usd
            or await service.cost_since(name, midnight.timestamp()) < self._max_cost_usd
        ):
            return
        wait = midnight + timedelta(days=1) - now
        raise ProblemError(
            429,
            "daily_budget_exhausted",
            "The runs of this key have cost today what they may.",
            hint="Wait until midnight UTC, or raise CODING_AGENT_KEY_MAX_COST_USD_PER_DAY.",
            headers={"Retry-After": str(int(wait.total_seconds()) + 1)},
        )
