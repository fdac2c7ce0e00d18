"""Runs named by how their ids begin."""

from pathlib import Path

import pytest
import typer

from api.cli.run_ids import full_id
from api.client.local_runs import LocalRuns
from tests.standins.services.run_service import House, log_of, started


async def test_an_id_is_known_by_how_it_begins(tmp_path: Path) -> None:
    async with House(tmp_path).open() as service:
        one, two = [await started(service) for _ in range(2)]
        for run_id in (one, two):
            await log_of(service, run_id)
        runs = LocalRuns(service)
        common = next(at for at in range(26) if one[at] != two[at])
        assert await full_id(runs, one[: common + 1]) == one
        assert await full_id(runs, two[: common + 1]) == two
        assert await full_id(runs, one) == one
        assert await full_id(runs, "nothing") == "nothing"
        with pytest.raises(typer.BadParameter, match="begins the ids of 2 runs"):
            await full_id(runs, one[:common])


async def test_an_empty_id_names_no_run_even_where_there_is_but_one(tmp_path: Path) -> None:
    async with House(tmp_path).open() as service:
        await log_of(service, await started(service))
        for blank in ("", " "):
            with pytest.raises(typer.BadParameter, match="is empty"):
                await full_id(LocalRuns(service), blank)
