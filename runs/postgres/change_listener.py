"""What other processes change: told by NOTIFY, and looked for where that was not heard."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection

from runs.postgres.connection_options import ConnectionOptions
from runs.postgres.session import shut_down, with_psycopg_names

log = logging.getLogger(__name__)

CHANNEL: Final = "coding_agent"
SEEN_S: Final = 20.0
"""A service that was not seen for so long is taken for dead."""
_LOOK_S: Final = 2.0
_AGAIN_S: Final = 1.0
SEE: Final = """
    INSERT INTO services VALUES (:service, :picks_up, now())
    ON CONFLICT (service) DO UPDATE SET picks_up = excluded.picks_up, seen_at = now()
"""
_FORGET: Final = "DELETE FROM services WHERE seen_at < now() - interval '1 day'"
_CHANGES: Final = "SELECT run_id, xmin::text FROM runs WHERE run_id = ANY(:watched)"


class ChangeListener:
    """One connection of its own. `on_change` is told a run's id, None where any may have changed.

    Watched runs are looked at every 2 s as well; the same look says that this process lives.
    """

    def __init__(
        self,
        options: ConnectionOptions,
        service: str,
        on_change: Callable[[str | None], None],
        *,
        picks_up: bool,
    ) -> None:
        self._options = options
        self._own = {"service": service, "picks_up": picks_up}
        self._on_change = on_change
        self._watched: Counter[str] = Counter()
        self._versions: dict[str, str] = {}

    @contextmanager
    def watch(self, run_id: str) -> Iterator[None]:
        """Look for changes of a run while the block runs."""
        self._watched[run_id] += 1
        try:
            yield
        finally:
            self._watched[run_id] -= 1
            self._watched += Counter()  # without those that nobody watches

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError) as error:
                said = str(error).strip().partition("\n")[0]
                log.warning("cannot look for changes of other processes: %s", said)
            await asyncio.sleep(_AGAIN_S)

    async def _listen(self) -> None:
        connection = await AsyncConnection.connect(
            **self._options.parameters, autocommit=True, prepare_threshold=None
        )
        try:
            await self._execute(connection, self._options.session)
            await self._execute(connection, f"LISTEN {CHANNEL}")
            self._on_change(None)  # what was told meanwhile was not heard
            while True:
                await self._look(connection)
                async for notice in connection.notifies(timeout=_LOOK_S):
                    service, _, run_id = notice.payload.partition(" ")
                    if service != self._own["service"]:
                        self._on_change(run_id)
        finally:
            with suppress(psycopg.Error):
                await connection.close()

    async def _look(self, connection: AsyncConnection[Any]) -> None:
        await self._execute(connection, SEE, self._own)
        await self._execute(connection, _FORGET)
        rows = await self._execute(connection, _CHANGES, {"watched": list(self._watched)})
        found = dict(rows)
        for run_id in list(self._watched):
            if found.get(run_id) != self._versions.get(run_id):
                self._on_change(run_id)
        self._versions = found

    async def _execute(
        self, connection: AsyncConnection[Any], sql: str, values: dict[str, Any] | None = None
    ) -> list[Any]:
        """The rows; the connection is given up where they do not come in time."""
        late = asyncio.get_running_loop().call_later(self._options.answer_s, shut_down, connection)
        try:
            cursor = await connection.execute(with_psycopg_names(sql), values)
            return await cursor.fetchall() if cursor.description else []
        finally:
            late.cancel()
