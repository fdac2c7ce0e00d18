"""What one run came to, as far as figures ask: a store finds it without the run's record."""

from typing import NamedTuple

from runs.model.run import Run


class Outcome(NamedTuple):
    """Times are Unix seconds; the rest is as the run has it. A tuple: there are many at once."""

    owner: str
    repo_url: str
    created_at: float
    cost_usd: float | None
    published_at: float | None
    pr_number: int | None
    reason: str | None
    pr_draft: bool

    @classmethod
    def of(cls, run: Run) -> "Outcome":
        return cls(
            owner=run.owner,
            repo_url=run.request["repo_url"],
            created_at=run.created_at,
            cost_usd=run.spend.cost_usd,
            published_at=run.published_at,
            pr_number=run.changed_pull,
            reason=run.reason,
            pr_draft=run.pr_draft,
        )
