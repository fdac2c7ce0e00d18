"""What a run took, added up from its events."""

from collections.abc import Callable
from typing import Any, Final

from api.evaluation.ledger import CheckEntry, LedgerLine, RoleEntry
from graph import NODE_OF_ROLE, NodeName, RoleName, Usage

_ROLE_OF_NODE: Final[dict[NodeName, RoleName]] = {node: role for role, node in NODE_OF_ROLE.items()}
Fields = dict[str, Any]


class RunMeter:
    """Takes a run's events in order, from the first; of other types it takes no notice."""

    def __init__(self) -> None:
        self._roles: dict[RoleName, RoleEntry] = {}
        self._checks = CheckEntry()
        self._line: Fields = {"fix_rounds": 0, "review_rounds": 0, "seconds": 0.0}
        self._readers: Final[dict[str, Callable[[Fields], None]]] = {
            "run.started": self._started,
            "usage": self._used,
            "node.finished": self._left_node,
            "baseline.finished": self._checked_base,
            "validation.finished": self._validated,
            "proof.finished": self._proved,
            "review.finished": self._reviewed,
            "run.finished": self._ended,
        }

    def take(self, event: Fields) -> None:
        if read := self._readers.get(event["type"]):
            read(event)

    def line(self, instance_id: str, run_id: str) -> LedgerLine:
        """The ledger's line of a run that has ended."""
        costs = [role.cost_usd for role in self._roles.values()]
        known = [cost for cost in costs if cost is not None]
        validated = self._checks.head == "passed" and self._line.get("review") == "approve"
        return LedgerLine(
            instance_id=instance_id,
            run_id=run_id,
            claimed=validated and self._line.get("status") == "succeeded",
            checks=self._checks,
            requests=sum(role.requests for role in self._roles.values()),
            usage=sum((role.usage for role in self._roles.values()), Usage()),
            cost_usd=sum(known) if len(known) == len(costs) else None,
            roles=self._roles,
            **self._line,
        )

    def _started(self, event: Fields) -> None:
        self._line |= {"models": event["models"], "version": event["version"]}

    def _used(self, event: Fields) -> None:
        role = self._roles.get(event["role"], RoleEntry())
        costs = (role.cost_usd, event["costUsd"])
        known = [cost for cost in costs if cost is not None]
        self._roles[event["role"]] = role.model_copy(
            update={
                "requests": role.requests + 1,
                "usage": role.usage + Usage.model_validate(event),
                "cost_usd": sum(known) if len(known) == len(costs) else None,
            }
        )

    def _left_node(self, event: Fields) -> None:
        seconds = event["durationMs"] / 1000
        self._line["seconds"] = round(self._line["seconds"] + seconds, 3)
        if role := _ROLE_OF_NODE.get(event["node"]):
            entry = self._roles.get(role, RoleEntry())
            worked = round(entry.seconds + seconds, 3)
            self._roles[role] = entry.model_copy(update={"seconds": worked})
        if event["node"] == "fix":
            self._line["fix_rounds"] += 1

    def _checked_base(self, event: Fields) -> None:
        self._set_checks(base=event["status"])

    def _validated(self, event: Fields) -> None:
        failures = (len(event["newFailures"]), len(event["knownFailures"]))
        new, known = failures
        checked = {"head": event["status"], "new_failures": new, "known_failures": known}
        self._set_checks(**checked, shown=None)  # the proof is told after it

    def _proved(self, event: Fields) -> None:
        self._set_checks(shown=event["shown"])

    def _set_checks(self, **changes: Any) -> None:
        self._checks = self._checks.model_copy(update=changes)

    def _reviewed(self, event: Fields) -> None:
        self._line["review"] = event["verdict"]
        self._line["review_rounds"] += 1

    def _ended(self, event: Fields) -> None:
        self._line |= {
            "status": event["status"],
            "reason": event.get("reason") or "",
            "error": (event.get("error") or {}).get("code", ""),
        }
