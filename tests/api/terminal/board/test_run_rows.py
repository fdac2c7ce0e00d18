"""Which runs are shown, and in what order."""

from typing import Any

import pytest

from api.terminal.board.run_rows import RunRows


def row(run_id: str, status: str, created: int = 0, repo: str = "octo/todo") -> dict[str, Any]:
    at = f"2026-11-30T10:00:{created:02}Z"
    address = f"https://github.com/{repo}"
    return {"runId": run_id, "status": status, "createdAt": at, "repoUrl": address}


def shown(rows: RunRows) -> list[str]:
    return [str(each["runId"]) for each in rows.ordered(99)]


def test_what_waits_comes_first_and_of_each_kind_the_newest() -> None:
    rows = RunRows()
    for each in (row("a", "succeeded", 9), row("b", "running", 1), row("c", "queued", 2)):
        rows.put(each)
    rows.put(row("d", "waiting", 0))
    rows.put(row("e", "failed", 10))
    assert shown(rows) == ["d", "c", "b", "e", "a"]
    assert rows.counts() == (1, 2, 2)
    assert [each["runId"] for each in rows.ordered(2)] == ["d", "c"]


def test_a_run_that_begins_to_wait_is_told_once() -> None:
    rows = RunRows()
    assert rows.put(row("a", "running")) == "changed"
    assert rows.put(row("a", "waiting")) == "waits"
    assert rows.put(row("a", "waiting")) == "changed"
    assert rows.put(row("a", "running")) == "changed"
    assert shown(rows) == ["a"]


@pytest.mark.parametrize("repo", ["octo/todo", "https://github.com/Octo/todo.git", "octo/todo/"])
def test_rows_that_do_not_fit_are_left_out_also_when_they_change(repo: str) -> None:
    rows = RunRows(status="running", repo=repo)
    for each in (row("a", "running"), row("b", "running", repo="octo/other"), row("c", "queued")):
        rows.put(each)
    assert shown(rows) == ["a"]
    assert rows.put(row("b", "succeeded", repo="octo/other")) == "none"
    assert rows.put(row("a", "succeeded")) == "changed"
    assert rows.put(row("a", "succeeded")) == "none"
    rows.put(row("c", "running"))
    assert shown(rows) == ["c"]


def test_a_row_of_no_known_status_and_a_removed_run_are_not_shown() -> None:
    rows = RunRows()
    rows.put(row("a", "running"))
    assert rows.put({"runId": "b"}) == "none"
    assert rows.put({"runId": "a", "status": "removed"}) == "changed"
    assert rows.put({"runId": "a", "status": "removed"}) == "none"
    assert shown(rows) == []


def test_of_very_many_the_ended_ones_go() -> None:
    rows = RunRows()
    for number in range(3000):
        rows.put(row(f"{number}", "succeeded", number % 60))
        if number < 5:
            rows.put(row(f"w{number}", "waiting"))
    assert rows.counts()[0] == 5
    assert sum(rows.counts()) <= 1000
