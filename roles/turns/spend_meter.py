"""What a role call has used so far, reported reply by reply."""

from dataclasses import dataclass, field

from graph import Emit, RoleTask, Spend, Usage, UsageReported
from roles.claude.prices import cost_usd


@dataclass
class SpendMeter:
    """Adds up one role call's requests."""

    task: RoleTask
    emit: Emit
    spend: Spend = field(default_factory=Spend)

    @property
    def run_spend(self) -> Spend:
        """What the whole run has used, this call included."""
        return self.task.budget.spent + self.spend

    def report(
        self, key: str, model: str, usage: Usage, *, replies: int = 1, reckoned: bool = False
    ) -> None:
        """Count a request and say so; one that brought no reply counts none."""
        cost = cost_usd(model, usage)
        self.spend += Spend(usage=usage, cost_usd=cost, turns=replies)
        event = UsageReported(
            key=f"{key}.usage",
            role=self.task.role,
            model=model,
            usage=usage,
            cost_usd=cost,
            run_cost_usd=self.run_spend.cost_usd,
            replies=replies,
            reckoned=reckoned,
        )
        self.emit(event)
