"""GET /figures: the table, what is looked up for it, and the table as CSV."""

import csv
import io

from runs.figures import Figures
from tests.standins.servers.http_service import client_of
from tests.standins.services.in_memory_run_service import MemoryService


def figures_of(repo: str, *pulls: int) -> Figures:
    return Figures(
        week="2026-W05",
        repo=repo,
        repo_url=f"https://github.com/{repo}",
        runs=3,
        pulls=frozenset(pulls),
        cost_usd=0.9,
        unpriced=0,
        seconds_to_pull=120.0 if pulls else None,
        drafts={"not_validated": 1} if pulls else {},
    )


async def merged(repo_url: str, _since: float) -> frozenset[int] | None:
    return None if repo_url.endswith("o/away") else frozenset((1, 2, 9))


async def test_what_a_merged_pull_request_has_cost() -> None:
    service = MemoryService()
    service.known_figures = [figures_of("o/r", 1, 2, 3), figures_of("o/away", 1), figures_of("o/b")]
    async with client_of(service, merged_pulls=merged) as client:
        rows = (await client.get("/figures")).json()["rows"]
    assert [(row["pullRequests"], row["merged"], row["costPerMergedUsd"]) for row in rows] == [
        (3, 2, 0.45),
        (1, None, None),
        (0, 0, None),
    ]
    assert rows[0] == {
        "week": "2026-W05",
        "repo": "o/r",
        "runs": 3,
        "pullRequests": 3,
        "merged": 2,
        "costUsd": 0.9,
        "unpriced": 0,
        "costPerMergedUsd": 0.45,
        "secondsToPullRequest": 120.0,
        "drafts": {"not_validated": 1},
    }


async def test_the_table_as_csv_holds_no_formula() -> None:
    service = MemoryService()
    service.known_figures = [figures_of("=cmd/r", 1), figures_of("o/b")]
    async with client_of(service) as client:
        answer = await client.get("/figures?format=csv")
        odd = await client.get("/figures?format=xls")
        far = await client.get("/figures?weeks=54")
    assert (odd.status_code, far.status_code) == (422, 422)
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="figures.csv"'
    head, first, second = csv.reader(io.StringIO(answer.text))
    assert head[:4] == ["week", "repo", "runs", "pullRequests"]
    assert (first[1], first[-1]) == ("'=cmd/r", "not_validated:1")
    assert second[4] == "0"
