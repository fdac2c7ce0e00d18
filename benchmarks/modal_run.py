"""A small run on Modal's local plane, with what Modal's calls take, beside the same run locally.

python -m benchmarks.modal_run
"""

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.modal.deployment import Deployment
from tests.modal.measured_run import KINDS, Measured, latencies, measure_run
from tests.standins.postgres_server import records_on_loopback
from tests.support.whole_runs.claude_script import small_change
from tests.support.whole_runs.world import World

LOCAL_RUNS: Final = 3
LARGE_MIB: Final = 64


async def measure_local() -> float:
    """Seconds of the same run on this machine: the fastest of some."""
    seconds = []
    async with World.open() as world, world.serving() as service:
        repo = await world.host()
        for number in range(LOCAL_RUNS + 1):
            begun, prompt = time.perf_counter(), f"Greet as number {number}."
            world.cast.learn(prompt, small_change())
            run = await (await service.start(prompt, repo.url)).ended()
            if run.end["status"] != "succeeded":
                raise SystemExit(f"a run ended {run.end}")
            seconds.append(time.perf_counter() - begun)
    return min(seconds[1:])


async def measure_plane(env: Mapping[str, str]) -> tuple[Measured, Measured]:
    """The first run of a deployment, and the next one."""
    async with Deployment.open(env=env) as deployment:
        repo = await deployment.host()
        with latencies(deployment.plane):
            cold = await measure_run(deployment, repo, "Greet in the morning.")
            warm = await measure_run(deployment, repo, "Greet once more.")
        return cold, warm


async def measure_sent() -> tuple[Mapping[str, int], ...]:
    """MiB that two runs on one commit, whose base is large, send into each of their trees."""

    def add_large(made: Path) -> None:
        (made / "large.bin").write_bytes(os.urandom(LARGE_MIB << 20))

    async with Deployment.open() as deployment:
        repo = await deployment.host(more=add_large)
        sent: list[Mapping[str, int]] = []
        for prompt in ("Greet in the morning.", "Greet once more."):
            before = set(deployment.plane.sandboxes.by_id)
            await measure_run(deployment, repo, prompt)
            made = [
                known
                for each, known in deployment.plane.sandboxes.by_id.items()
                if each not in before
            ]
            sent.append({known.tags["tree"]: known.written >> 20 for known in made})
        return tuple(sent)


def tell(title: str, run: Measured, local_s: float) -> None:
    print(f"\n{title}: {run.seconds:.1f} s, {run.seconds - local_s:.1f} s over local, ", end="")
    print(f"first model request after {run.first_request - run.begun:.1f} s")
    print(f"{'':12}" + "".join(f"{kind:>13}" for kind in (*KINDS, "seconds")))
    for name, part in run.by_node().items():
        told = "".join(f"{part.counts[kind]:13}" for kind in KINDS)
        print(f"{name:12}{told}{part.seconds:13.1f}")
    for name, counts in sorted(run.by_function().items()):
        print(f"{name:12}" + "".join(f"{counts[kind]:13}" for kind in KINDS))
    print(f"{'all':12}" + "".join(f"{run.counts[kind]:13}" for kind in KINDS))


async def main() -> None:
    local_s = await measure_local()
    print(f"local: {local_s:.1f} s, load {os.getloadavg()[0]:.1f}")
    for title, run in zip(("Dicts, cold", "Dicts, warm"), await measure_plane({}), strict=True):
        tell(title, run, local_s)
    with records_on_loopback() as url:
        measured = await measure_plane({"CODING_AGENT_DATABASE_URL": url})
    for title, run in zip(("PostgreSQL, cold", "PostgreSQL, warm"), measured, strict=True):
        tell(title, run, local_s)
    for title, sent in zip(("first", "next"), await measure_sent(), strict=True):
        print(f"\nMiB sent by the {title} run on a base of {LARGE_MIB} MiB: {dict(sent)}")


if __name__ == "__main__":
    asyncio.run(main())
