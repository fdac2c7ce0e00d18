"""`make soak`: prints what many runs came to, and what was not as it should be."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.soak.soak import Plan, Report, soak


def _table(plan: Plan, report: Report) -> str:
    memory = report.memory_mib or [0.0]
    listed = ", ".join(f"{count} {status}" for status, count in report.statuses.most_common())
    rows = (
        ("runs", f"{plan.runs}, {plan.concurrency} at a time: {listed}"),
        ("time", f"{report.seconds:.0f} s"),
        ("`kill -9` of the server", f"{report.kills}"),
        ("attempts of runs", f"{report.attempts}"),
        ("events", f"{report.events}, no gap, no repeat"),
        ("readers that came back", f"{report.reconnects}"),
        ("model calls", f"{report.model_calls}, of them {report.model_faults} failed on purpose"),
        ("replies counted", f"{report.replies_counted}"),
        ("GitHub calls", f"{report.forge_calls}, of them {report.forge_faults} failed on purpose"),
        ("tried again", ", ".join(f"{n} {what}" for what, n in report.retries.most_common())),
        ("open files", f"{report.open_files[0]} at the start, {report.open_files[1]} at the end"),
        ("memory of the last process", f"{min(memory):.0f} to {max(memory):.0f} MiB"),
        ("`SIGTERM` to exit", f"{report.stop_s:.1f} s"),
        ("problems", "; ".join(report.problems) or "none"),
    )
    return "| what | measured |\n|---|---|\n" + "\n".join(f"| {a} | {b} |" for a, b in rows)


async def main(runs: int, seed: int, database_url: str = "") -> int:
    """The exit code: 1 where something is not as it should be; its folder then stays."""
    folder = Path(tempfile.mkdtemp(prefix="coding-agent-soak-", dir="/tmp"))
    folder.chmod(0o711)
    plan = Plan(runs=runs, seed=seed, database_url=database_url)
    report = await soak(plan, folder)
    print(_table(plan, report))
    if report.problems:
        print(f"See {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m benchmarks.soak", description=__doc__)
    parser.add_argument("runs", nargs="?", type=int, default=200)
    parser.add_argument("seed", nargs="?", type=int, default=1)
    parser.add_argument("--postgres", action="store_true", help="keep the runs in PostgreSQL")
    given = parser.parse_args()
    if given.postgres:
        from tests.standins.postgres_server import serving

        with serving() as postgres:
            sys.exit(asyncio.run(main(given.runs, given.seed, postgres.new_database())))
    sys.exit(asyncio.run(main(given.runs, given.seed)))
