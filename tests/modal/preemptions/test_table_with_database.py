"""Machines that go where the records are in a database: those that read and write them.

A role's machine has no database: what it keeps is the same with one and without.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.modal.preemptions import test_table
from tests.modal.preemptions.test_table import ROWS, Bench, bench_with, lose_machines
from tests.standins.postgres_server import records_on_loopback

pytestmark = test_table.pytestmark


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench() -> AsyncIterator[Bench]:
    with records_on_loopback() as address:
        async with bench_with(CODING_AGENT_DATABASE_URL=address) as opened:
            yield opened


@pytest.mark.parametrize(
    "row",
    [
        row
        for row, losses in ROWS.items()
        if any({"run", "api"} & {*loss.functions} for loss in losses)
    ],
)
async def test_machines_go(bench: Bench, row: str) -> None:
    await lose_machines(bench, row)
