"""Connections to PostgreSQL in an event loop, shared by all who work there."""

from functools import partial
from typing import Any, Final, TypeAlias

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps
from psycopg_pool import AsyncConnectionPool

from runs.postgres.connection_options import ConnectionOptions
from runs.postgres.text import dump_json

ConnectionPool: TypeAlias = AsyncConnectionPool[AsyncConnection[DictRow]]

_MOST: Final = 4
_IDLE_S: Final = 60.0


async def open_pool(options: ConnectionOptions, *, most: int = _MOST) -> ConnectionPool:
    """Up to `most` connections, each tried before it is used, closed when idle. To be closed."""
    kwargs: dict[str, Any] = {"autocommit": True, "prepare_threshold": None}
    pool: ConnectionPool = AsyncConnectionPool(
        connection_class=AsyncConnection[DictRow],
        kwargs={**options.parameters, **kwargs, "row_factory": dict_row},
        min_size=0,
        max_size=most,
        max_idle=_IDLE_S,
        timeout=options.answer_s,
        reconnect_timeout=options.answer_s,
        configure=partial(_configure, options),
        check=AsyncConnectionPool.check_connection,
        open=False,
    )
    await pool.open()
    return pool


async def _configure(options: ConnectionOptions, connection: AsyncConnection[DictRow]) -> None:
    set_json_dumps(dump_json, connection)
    await connection.execute(options.session)
