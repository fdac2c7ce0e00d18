"""What the service of runs is told by its operator, and what a request may ask for within it."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from graph import Limits, RequestRules, RoleName, RunRequest, RunStarted, request_of
from graph.errors import InvalidRequest, LimitRaised
from runs.model.run import Run

_OPEN_LIMITS: Final = {"max_cost_usd": "maxCostUsd", "max_tokens": "maxTokens"}
_FIRM_LIMITS: Final = {"max_fix_rounds": "maxFixRounds", "timeout_s": "timeoutS"}
_ABSENT: Final[tuple[Any, ...]] = (None, "", [])


@dataclass(frozen=True)
class RaisedLimits:
    """Limits that a resumed run gets; None keeps the old one."""

    max_cost_usd: float | None = None
    max_fix_rounds: int | None = None
    timeout_s: int | None = None

    def given(self) -> dict[str, float]:
        return {name: value for name, value in asdict(self).items() if value is not None}


NO_RAISE: Final = RaisedLimits()


@dataclass(frozen=True)
class ServiceConfig:
    """Plain values; a request may lower `limits`, never raise them."""

    runs: Path
    """The folder of all runs."""
    limits: Limits
    max_concurrent: int
    max_queued: int
    max_readers: int
    models: Mapping[RoleName, str]
    rules: RequestRules
    """What a request may name."""
    version: str
    keep_days: int
    store_wait_s: float = 900.0
    """How long a drive waits for a store that cannot be written."""
    hide: Callable[[str], str] = str
    """Takes the service's secrets out of a text."""

    def accept(self, request: RunRequest) -> RunRequest:
        """The request with its effective limits. Raises RequestError or PriceUnknown."""
        accepted = request_of(request)
        if not accepted["prompt"].strip():
            raise InvalidRequest(
                "prompt is empty.", "Say in a sentence what should change.", field="prompt"
            )
        self._check_limits(dict(accepted))
        self.rules.check(accepted)
        lowered = self._lower_limits(accepted)
        self.rules.check_prices(accepted, lowered["max_tokens"] or 0)
        return lowered

    def with_limits(self, request: RunRequest, asked: dict[str, Any]) -> RunRequest:
        """An accepted request with other limits. Raises RequestError."""
        self._check_limits(asked)
        return self._lower_limits({**request, **asked})  # type: ignore[typeddict-item]

    def models_of(self, request: RunRequest) -> dict[RoleName, str]:
        """The model of each role."""
        return {role: request.get("model") or model for role, model in self.models.items()}

    def started(self, run: Run) -> RunStarted:
        """The event that begins the log of a run."""
        return RunStarted(
            repo_url=run.request["repo_url"],
            prompt=run.request["prompt"],
            base_branch=run.request.get("base_branch"),
            pull_request=run.request.get("pull_request_url"),
            parent_run_id=run.request.get("parent_run_id"),
            models=self.models_of(run.request),
            unpriced=self.rules.find_unpriced(run.request) or None,
            version=self.version,
            attempt=run.attempt,
        )

    def _lower_limits(self, request: RunRequest) -> RunRequest:
        return {**request, **self.limits.lowered_by(request).model_dump()}  # type: ignore[typeddict-item]

    def _check_limits(self, values: dict[str, Any]) -> None:
        """0 means no limit for money and tokens, where the operator sets none either."""
        for field, name in (_OPEN_LIMITS | _FIRM_LIMITS).items():
            asked, limit = values.get(field), getattr(self.limits, field)
            if asked is None:
                continue
            if not math.isfinite(asked) or asked < (1 if field == "timeout_s" else 0):
                raise InvalidRequest(f"{name} {asked} is out of range.", field=name)
            raised = asked > limit
            if field in _OPEN_LIMITS:
                raised = limit > 0 and (asked == 0 or asked > limit)
            if raised:
                raise LimitRaised(f"{name} {asked} is above the operator's {limit}.", field=name)


def digest_of(request: RunRequest) -> str:
    """The same for the same request, however it was written."""
    given = request_of(request).items()
    plain = {name: value for name, value in given if value is not False and value not in _ABSENT}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
