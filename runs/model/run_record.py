"""What the store keeps of a run, and who may see it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from graph import FINAL_STATUSES, CheckStatus, PublishedChange, RunRequest, Status, Verdict

_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}


@dataclass(frozen=True)
class Caller:
    """Who asks; an operator reads and steers all runs, others their own name's.

    `reads_repo` says of which repository's address others' runs may be read, too.
    """

    name: str
    operator: bool = False
    reads_repo: Callable[[str], bool] | None = None

    @property
    def reads_others(self) -> bool:
        return self.operator or self.reads_repo is not None

    def reads(self, owner: str, repo_url: str) -> bool:
        return self.steers(owner) or bool(self.reads_repo and self.reads_repo(repo_url))

    def steers(self, owner: str) -> bool:
        return self.operator or self.name == owner


@dataclass(frozen=True)
class RunRecord:
    """One run as the store has it. Times are Unix seconds; `node` is where it is or stopped."""

    run_id: str
    owner: str
    status: Status
    node: str | None
    attempt: int
    request: RunRequest
    created_at: float
    updated_at: float
    last_seq: int
    """Number of the newest event."""
    reason: str | None = None
    cost_usd: float | None = 0.0
    validation: CheckStatus | None = None
    verdict: Verdict | None = None
    pr: PublishedChange | None = None

    @property
    def final(self) -> bool:
        return self.status in FINAL_STATUSES

    def row(self) -> dict[str, Any]:
        """The run in a list, as readers get it."""
        return {
            "runId": self.run_id,
            "status": self.status,
            "reason": self.reason,
            "node": self.node,
            "attempt": self.attempt,
            "owner": self.owner,
            "repoUrl": self.request["repo_url"],
            "prompt": self.request["prompt"],
            "costUsd": self.cost_usd,
            "maxCostUsd": self.request.get("max_cost_usd") or None,
            "validation": self.validation,
            "verdict": self.verdict,
            "pr": self.pr and self.pr.model_dump(),
            "createdAt": rfc3339(self.created_at),
            "updatedAt": rfc3339(self.updated_at),
        }


@dataclass(frozen=True)
class LoggedEvent:
    """One event as the log has it; `data` holds `type` and the type's own fields."""

    run_id: str
    seq: int
    time: float
    type: str
    data: dict[str, Any]

    @cached_property
    def payload(self) -> str:
        """The JSON object that readers get, one line."""
        common = {"seq": self.seq, "runId": self.run_id, "time": rfc3339(self.time)}
        return encode({**common, **self.data})


def encode(value: Any) -> str:
    """JSON on one line, also for readers to whom U+0085, U+2028 and U+2029 end a line."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text if text.isascii() else text.translate(_LINE_ENDS)


def rfc3339(seconds: float) -> str:
    """Unix seconds as RFC 3339 in UTC with milliseconds."""
    return (
        datetime.fromtimestamp(seconds, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
