"""Where functions of a deployment keep runs: in Dicts, or in the database that settings name."""

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runs.deliveries import Deliveries, SqlDeliveries, TableDeliveries
from runs.remote_roles import put_run_note
from runs.shared import Mount, SharedStore, StorageBackend, remove_notes
from runs.store import Store
from wiring.run_store import RunStore
from wiring.settings import Settings

if TYPE_CHECKING:
    from runs.checkpoints import Checkpoints, PostgresCheckpoints
    from runs.model import Run
    from runs.postgres import ConnectionOptions, PostgresStore

_SERVING: Final = 4
"""Connections of a container that answers a hundred calls at once, beside the one that listens."""


class DeployedRecords(ABC):
    """Makes stores and checkpoints of runs; each run is driven by a function of its own."""

    @abstractmethod
    def store(self, service: str, mount: Mount | None = None, *, serves: bool = False) -> Store:
        """To be opened. `serves`: for many calls at once, and readers who follow runs."""

    @abstractmethod
    def checkpoints(self, store: Store, mount: Mount, disk: Path) -> "Checkpoints":
        """For who drives a run of this store; `disk` is the container's own."""

    @abstractmethod
    def deliveries(self, store: Store) -> Deliveries:
        """What the forge told of, for who has opened this store."""

    @abstractmethod
    async def tell_role(self, run: "Run") -> None:
        """Let the role that is played for a run know how the run is. Raises StoreError."""

    @abstractmethod
    async def remove(self, store: Store, run_id: str) -> None:
        """Remove what is kept of a run beside its record. Raises StoreError."""


class DictRecords(DeployedRecords):
    """All in Dicts, but events and checkpoints, which are on the Volume. Roles read the records."""

    def __init__(self, settings: Settings, backend: StorageBackend) -> None:
        self._slots = settings.max_concurrent_runs
        self._backend = backend

    def store(self, service: str, mount: Mount | None = None, *, serves: bool = False) -> Store:  # noqa: ARG002 - all are the same
        return SharedStore(self._backend, service=service, slots=self._slots, mount=mount)

    def checkpoints(self, store: Store, mount: Mount, disk: Path) -> "Checkpoints":
        from runs.checkpoints import CopiedCheckpoints

        return CopiedCheckpoints(mount, disk, store.service)

    def deliveries(self, store: Store) -> Deliveries:  # noqa: ARG002 - they are apart from runs
        return TableDeliveries(self._backend.deliveries)

    async def tell_role(self, run: "Run") -> None:
        """It sees the record."""

    async def remove(self, store: Store, run_id: str) -> None:
        """Notes go with the record, checkpoints with the folder."""


class DatabaseRecords(DeployedRecords):
    """All in PostgreSQL, but notes between functions, which are in one Dict."""

    def __init__(self, settings: Settings, backend: StorageBackend) -> None:
        self._settings = settings
        self._notes = backend.changes

    def store(self, service: str, mount: Mount | None = None, *, serves: bool = False) -> Store:  # noqa: ARG002 - events are in no file
        options = self._options
        from runs.postgres import PostgresStore

        return PostgresStore(
            options,
            service=service,
            listens=serves,
            connections=_SERVING if serves else 1,
            slots=self._settings.max_concurrent_runs,
            opens_without=serves,
        )

    def checkpoints(self, store: Store, mount: Mount, disk: Path) -> "Checkpoints":  # noqa: ARG002 - nothing is on a disk
        return self._checkpoints(store, mount)

    def deliveries(self, store: Store) -> Deliveries:
        database = _postgres(store)
        return SqlDeliveries(database.writer, database.dialect)

    async def tell_role(self, run: "Run") -> None:
        await put_run_note(self._notes, run)

    async def remove(self, store: Store, run_id: str) -> None:
        await self._checkpoints(store).remove(run_id)
        if run := await store.get(run_id):
            await remove_notes(self._notes, run)

    def _checkpoints(self, store: Store, mount: Mount | None = None) -> "PostgresCheckpoints":
        """By the connections of a store that was made here.

        What is on the Volume is committed before a checkpoint that speaks of it.
        """
        from runs.checkpoints import PostgresCheckpoints

        database = _postgres(store).database
        if mount is None:
            return PostgresCheckpoints(self._options, database)
        return PostgresCheckpoints(self._options, database, mount.commit_run)

    @cached_property
    def _options(self) -> "ConnectionOptions":
        return RunStore(self._settings).database


def _postgres(store: Store) -> "PostgresStore":
    from runs.postgres import PostgresStore

    assert isinstance(store, PostgresStore), "no other is made here"
    return store


def records_of(settings: Settings, backend: StorageBackend) -> DeployedRecords:
    """Those that the settings ask for."""
    kind = DatabaseRecords if settings.database_url else DictRecords
    return kind(settings, backend)
