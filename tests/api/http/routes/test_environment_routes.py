"""What set-up does on a repository: shown, forgotten, and not there for who may not use it."""

from pathlib import Path

from graph.environment import Environment, LeftOut
from graph.environment_record import EnvironmentRecord
from graph.values import CommandReport, Validation
from sandbox.environments.records import LocalEnvironmentRecords
from sandbox.setup.cache_key import results_of
from tests.standins.servers.http_service import client_of
from tests.standins.services.in_memory_run_service import MemoryService

RECORD = EnvironmentRecord(
    repo="o/r",
    sha="a" * 40,
    run_id="r1",
    made_at=0,
    environment=Environment(
        left_out=(LeftOut(what="docs", why="no wheel"),), tools={"pytest": "8"}, key="k"
    ),
    baseline=Validation(
        status="failed",
        commands=(CommandReport(command="pytest", exit_code=1, status="failed", duration_ms=5),),
    ),
)


def records_in(folder: Path) -> LocalEnvironmentRecords:
    return LocalEnvironmentRecords(folder / "environments", kept=(folder / "setups",))


async def test_what_is_known_is_shown_and_forgotten_with_what_was_kept(tmp_path: Path) -> None:
    records = records_in(tmp_path)
    await records.put(RECORD)
    (tmp_path / "setups").mkdir()
    kept, other = (tmp_path / "setups" / f"{results_of(repo)}k.tar" for repo in ("o/r", "o/other"))
    kept.touch()
    other.touch()
    async with client_of(MemoryService(), environments=records, check_repo_url=str) as client:
        answer = await client.get("/environments/O/r")
        assert answer.status_code == 200
        shown = answer.json()
        assert (shown["repo"], shown["sha"], shown["runId"]) == ("o/r", "a" * 40, "r1")
        assert shown["madeAt"] == "1970-01-01T00:00:00.000Z"
        assert shown["environment"]["leftOut"] == [{"what": "docs", "why": "no wheel"}]
        assert shown["baseline"]["commands"][0]["status"] == "failed"
        assert (await client.delete("/environments/o/r")).status_code == 204
        assert (kept.exists(), other.exists()) == (False, True)
        for method in ("GET", "DELETE"):
            again = await client.request(method, "/environments/o/r")
            assert (again.status_code, again.json()["code"]) == (404, "environment_not_found")


async def test_a_repository_that_the_caller_may_not_use_is_not_there(tmp_path: Path) -> None:
    records = records_in(tmp_path)
    await records.put(RECORD)
    none = client_of(
        MemoryService(),
        environments=records,
        check_repo_url=str,
        repo_allowed=lambda _, full_name: full_name == "x/y",
    )
    async with none as client:
        for method in ("GET", "DELETE"):
            answer = await client.request(method, "/environments/o/r")
            assert (answer.status_code, answer.json()["code"]) == (404, "repository_not_found")
    assert await records.get("o/r") == RECORD


async def test_odd_names_are_refused(tmp_path: Path) -> None:
    async with client_of(MemoryService(), environments=records_in(tmp_path)) as client:
        for path in ("o/r%20x", "o/..", "-o/r", f"o/{'r' * 101}"):
            assert (await client.get(f"/environments/{path}")).status_code in (404, 422)


async def test_a_record_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    records = records_in(tmp_path)
    await records.put(RECORD)
    [file] = (tmp_path / "environments").iterdir()
    file.write_text("{")
    assert await records.get("o/r") is None
    await records.put(RECORD)
    assert await records.get("o/r") == RECORD
