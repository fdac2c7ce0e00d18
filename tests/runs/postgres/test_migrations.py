"""Tables that are brought up to date: however long a script takes, and whoever waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from graph.errors import StoreUnavailable
from runs.postgres.connection_options import ConnectionOptions
from runs.postgres.database import PostgresDatabase
from tests.standins.postgres_server import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ANSWER_S, SCRIPT_S = 3.0, 5.0
SCRIPTS = ("CREATE TABLE made (number INTEGER)", f"SELECT pg_sleep({SCRIPT_S})")


@asynccontextmanager
async def database_at(url: str, *scripts: str) -> AsyncIterator[PostgresDatabase]:
    options = ConnectionOptions(url, lock_s=0.2, answer_s=ANSWER_S)
    database = PostgresDatabase(options, connections=1)
    try:
        await database.open(scripts)
        yield database
    finally:
        await database.close()


async def test_a_script_may_take_longer_than_an_answer_and_others_wait_for_it(
    postgres: PostgresServer,
) -> None:
    url = postgres.new_database()

    async def serve() -> None:
        async with database_at(url, *SCRIPTS):
            pass

    await asyncio.gather(serve(), serve())
    name = url.partition("@/")[2].partition("?")[0]
    assert postgres.execute("SELECT number FROM coding_agent.version", name) == [(len(SCRIPTS),)]


async def test_whatever_else_is_asked_is_given_up_as_before(postgres: PostgresServer) -> None:
    async with database_at(postgres.new_database(), *SCRIPTS[:1]) as database:
        with pytest.raises(StoreUnavailable):
            await database.read(lambda connection: connection.execute(SCRIPTS[1]).fetchone())
