"""The ledger of an evaluation: what each task took, one JSON object a line."""

from typing import Final

from pydantic import ConfigDict, Field

from graph import CheckStatus, FinalStatus, RoleName, Usage, Value, Verdict

RETRIED: Final[frozenset[FinalStatus]] = frozenset({"failed", "interrupted", "cancelled"})
"""Ends of a run that say nothing of its task: `--resume` carries these on."""


class LedgerValue(Value):
    """A value with the names that files of tasks and predictions have."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=None)


class RoleEntry(LedgerValue):
    """What one role took; `cost_usd` is None where the model's price is unknown."""

    requests: int = 0
    usage: Usage = Usage()
    cost_usd: float | None = 0.0
    seconds: float = 0.0
    """Of its nodes; those of a set-up turn are another node's."""


class CheckEntry(LedgerValue):
    """How the checks ended on the untouched base and on the last change; None: they did not run."""

    base: CheckStatus | None = None
    head: CheckStatus | None = None
    new_failures: int = 0
    known_failures: int = 0
    shown: bool | None = None
    """Whether a test of the change's own fails without it."""


class LedgerLine(LedgerValue):
    """One task's run. `claimed`: its checks passed and its review approved of the change."""

    instance_id: str
    run_id: str
    status: FinalStatus
    reason: str = ""
    error: str = ""
    """The code of the error that ended it."""
    claimed: bool = False
    review: Verdict | None = None
    checks: CheckEntry = CheckEntry()
    fix_rounds: int = 0
    review_rounds: int = 0
    requests: int = 0
    usage: Usage = Usage()
    cost_usd: float | None = 0.0
    seconds: float = 0.0
    roles: dict[RoleName, RoleEntry] = Field(default_factory=dict)
    models: dict[RoleName, str] = Field(default_factory=dict)
    version: str = ""


class Prediction(LedgerValue):
    """A line of predictions as the SWE-bench harness takes them."""

    instance_id: str
    model_name_or_path: str
    model_patch: str
