"""What must hold once the soak is over: of each log, of the pull requests, of the machine."""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tests.standins.github_server.repository import HostedRepository

Event = dict[str, Any]

_PUBLISHED: Final = ("pr.created", "pr.updated")
_CGROUPS: Final = Path("/sys/fs/cgroup")


def faults_of_log(log: list[Event]) -> Iterator[str]:
    """Gaps and repeats, attempts and nodes that do not fit, an end that is none."""
    if not log or log[-1]["type"] != "run.finished":
        yield "it has not ended"
    if [event["seq"] for event in log] != list(range(1, len(log) + 1)):
        yield "its numbers have gaps or repeats"
    ends = [event["attempt"] for event in log if event["type"] == "run.finished"]
    if ends != list(range(1, len(ends) + 1)):
        yield f"its attempts end as {ends}"
    begun, left = (
        [(event["node"], event["visit"]) for event in log if event["type"] == f"node.{what}"]
        for what in ("started", "finished")
    )
    if begun != left:
        yield "its nodes do not begin and end in turn"
    if log and log[-1].get("error", {}).get("code") == "internal":
        yield f"an unexpected error: {log[-1]['error']}"


def faults_of_publishing(
    logs: Mapping[str, list[Event]], repositories: list[HostedRepository]
) -> Iterator[str]:
    """Each published run has exactly one pull request, and no pull request is nobody's."""
    pulls = [pull for hosted in repositories for pull in hosted.pulls.values()]
    told, known = 0, set[str]()
    for run_id, log in logs.items():
        branches = {event["branch"] for event in log if event["type"] in _PUBLISHED}
        own = [pull for pull in pulls if pull.head in branches]
        known |= branches
        numbers = {event["url"] for event in log if event["type"] in _PUBLISHED}
        told += len(numbers)
        published = bool(log) and log[-1].get("status") == "succeeded"
        if len(numbers) > 1 or len(own) > 1 or (published and len(own) != 1):
            yield f"{run_id}: {len(own)} pull requests, {sorted(numbers)} told"
    heads = [pull.head for pull in pulls]
    if strays := set(heads) - known:
        yield f"no run tells of {sorted(strays)}"
    if len(set(heads)) != len(heads):
        yield "a branch has several pull requests"
    if told > len(pulls):
        yield f"{told} pull requests told, {len(pulls)} there"


def leftovers(data: Path, pids: Iterable[int]) -> list[str]:
    """A line for each thing that was left; `pids` are those of the servers that ran."""
    found = [f"process {line}" for line in _processes(str(data))]
    found += [f"control group {path}" for path in _groups({str(pid) for pid in pids})]
    found += [f"file {path.relative_to(data)}" for path in _files(data)]
    return found


def open_leases(data: Path, database_url: str) -> int:
    """How many runs are still held."""
    if database_url:
        import psycopg

        with psycopg.connect(database_url) as connection:
            sql = "SELECT count(lease_service) FROM coding_agent.runs"
            row = connection.execute(sql).fetchone()
        return int(row[0]) if row else 0
    with sqlite3.connect(f"file:{data / 'runs.db'}?mode=ro", uri=True) as store:
        rows = store.execute("SELECT doc FROM runs").fetchall()
    store.close()
    return sum(json.loads(row[0])["lease"] is not None for row in rows)


def _processes(mark: str) -> Iterator[str]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in line and int(folder.name) != os.getpid():
            yield f"{folder.name} {line[:200]}"


def _groups(pids: set[str]) -> Iterator[Path]:
    for home in _CGROUPS.rglob("coding-agent"):
        for group in home.iterdir():
            if group.is_dir() and pids & set(group.name.partition(".")[0].split("-")):
                yield group


def _files(data: Path) -> Iterator[Path]:
    """Temporary names; trees, but the one that a resumed run goes on in; locks."""
    yield from data.glob("services/*")
    yield from data.glob("sandbox/trial-*")
    yield from data.glob("runs/*/.*")
    yield from data.glob("runs/*/*/.*")
    for tree in data.glob("runs/*/trees/*"):
        if tree.name != "live":
            yield tree
