"""Where runs are kept on one machine, or on several: a file, or the database that settings name."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from graph.errors import StoreError
from runs.sql import SqlStore
from runs.sqlite import SqliteStore
from wiring.settings import Settings

if TYPE_CHECKING:
    from runs.checkpoints import PostgresCheckpoints
    from runs.postgres import ConnectionOptions

_EXTRA: Final = "pip install 'modal-coding-agent[postgres]'"


@dataclass(frozen=True)
class RunStore:
    """Makes stores and checkpoints over one set of settings."""

    settings: Settings

    def make(self) -> SqlStore:
        """A store of its own, to be opened. Raises StoreError."""
        if self.settings.database_url is None:
            return SqliteStore(self.settings.data_dir / "runs.db")
        options = self.database
        from runs.postgres import PostgresStore

        return PostgresStore(options)

    @property
    def database(self) -> "ConnectionOptions":
        """How the database that the settings name is reached. Raises StoreError."""
        assert self.settings.database_url, "asked for where one is named"
        try:
            from runs.postgres import ConnectionOptions
        except ModuleNotFoundError as error:
            raise StoreError(
                f"CODING_AGENT_DATABASE_URL is set, and {error.name} is not installed.",
                f"Install it: {_EXTRA}",
            ) from error
        return ConnectionOptions(self.settings.database_url.get_secret_value())

    @cached_property
    def checkpoints(self) -> "PostgresCheckpoints | None":
        """Those of the database, where there is one; to be closed."""
        if self.settings.database_url is None:
            return None
        options = self.database
        from runs.checkpoints import PostgresCheckpoints

        return PostgresCheckpoints(options)

    async def remove(self, run_id: str) -> None:
        """Remove what the database holds of a run beside its record."""
        if self.checkpoints:
            await self.checkpoints.remove(run_id)

    async def close(self) -> None:
        if checkpoints := self.__dict__.get("checkpoints"):
            await checkpoints.close()
