"""One small run on the plane, with what Modal's calls take: how many there are, and how long."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Final

from tests.modal.deployment import Deployment
from tests.modal_plane.plane import Plane
from tests.modal_plane.rpc.faults import Call
from tests.support.polling import until
from tests.support.whole_runs.claude_script import small_change
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.service_client import Run

LATENCIES: Final[Mapping[str, float]] = {
    "VolumeCommit": 0.3,
    **dict.fromkeys(("DictGet", "DictUpdate", "DictPop", "DictContains"), 0.025),
    "SandboxCreateV2": 1.0,
    "TaskExecStart": 0.1,
}
"""Seconds that calls of Modal are taken to take."""
START_S: Final = 2.5
"""Of a container."""
KINDS: Final[Mapping[str, Sequence[str]]] = {
    "commits": ("VolumeCommit",),
    "reloads": ("VolumeReload",),
    "Dict reads": ("DictGet",),
    "Dict writes": ("DictUpdate", "DictPop"),
    "Sandboxes": ("SandboxCreateV2",),
    "execs": ("TaskExecStart",),
}
BEFORE: Final = "start"
AFTER: Final = "end"


@dataclass(frozen=True)
class Measured:
    """One run from its request to its last event. Times in Unix seconds."""

    begun: float
    ended: float
    first_request: float
    """When the model was first asked."""
    calls: Sequence[Call]
    nodes: Sequence[tuple[str, float]]
    """Nodes, and when each began."""
    counts: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        rpcs = Counter(call.rpc for call in self.calls)
        counts = {kind: sum(rpcs[rpc] for rpc in named) for kind, named in KINDS.items()}
        object.__setattr__(self, "counts", Counter(counts))

    @property
    def reads(self) -> int:
        """Of Dicts and of the Volume."""
        return self.counts["reloads"] + self.counts["Dict reads"]

    @property
    def seconds(self) -> float:
        return self.ended - self.begun

    def by_node(self) -> dict[str, "Measured"]:
        """The same for the time of each node, and before and after them."""
        places = [(BEFORE, self.begun), *self.nodes, (AFTER, float("inf"))]
        spans = {name: (begun, ended) for (name, begun), (_, ended) in pairwise(places)}
        return {
            name: Measured(
                begun,
                min(ended, self.ended),
                self.first_request,
                [call for call in self.calls if begun <= call.at < ended],
                (),
            )
            for name, (begun, ended) in spans.items()
        }

    def by_function(self) -> dict[str, Counter[str]]:
        """Calls of each kind by the function whose containers made them."""
        kind_of = {rpc: kind for kind, named in KINDS.items() for rpc in named}
        found: dict[str, Counter[str]] = {}
        for call in self.calls:
            if kind := kind_of.get(call.rpc):
                found.setdefault(call.function or "Sandbox", Counter())[kind] += 1
        return found


@contextmanager
def latencies(plane: Plane) -> Iterator[None]:
    """Calls of the plane, and starts of containers, take as long as on Modal."""
    plane.faults.latencies, plane.scheduler.start_s = LATENCIES, START_S
    try:
        yield
    finally:
        plane.faults.latencies, plane.scheduler.start_s = {}, 0.0


async def measure_run(deployment: Deployment, repo: Hosted, prompt: str) -> Measured:
    """A run that succeeds at the first try, read from a stream."""
    plane, claude = deployment.plane, deployment.claude
    await plane.scheduler.ready()  # what the plane itself needs for that is no part of the run
    plane.faults.calls.clear()
    claude.asked_at.clear()
    begun = time.time()
    async with deployment.client() as http:
        run = await deployment.start(http, prompt, repo, small_change())
        await run.ended()
        ended = time.time()
        await until(lambda: not deployment.busy("run"), within_s=60)
        calls = tuple(plane.faults.calls)
        await deployment.check(run)
    assert run.end["status"] == "succeeded", run.end
    return Measured(begun, ended, claude.asked_at[0], calls, nodes_of(run))


def nodes_of(run: Run) -> list[tuple[str, float]]:
    """The nodes of a run, and when each began."""
    return [
        (event["node"], datetime.fromisoformat(event["time"]).timestamp())
        for event in run.of("node.started")
    ]
