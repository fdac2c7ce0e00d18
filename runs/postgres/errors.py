"""The only place that knows how PostgreSQL fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from graph.errors import StoreDamaged, StoreError, StoreFull, StoreLocked, StoreUnavailable

_REACH: Final = "Check that the database of CODING_AGENT_DATABASE_URL runs and can be reached."
_NOT_HERE: Final = ("57", "08", "53", "25006")
"""Classes of errors that pass: it stops or starts, has no room for us, or only reads for now."""
_FULL: Final = "53100"
_BUSY: Final = ("55P03", "40P01", "40001")
_DAMAGED: Final = ("XX001", "XX002")
_HINTS: Final = {
    "28": "Check user and password of CODING_AGENT_DATABASE_URL.",
    "3D": "Create the database that CODING_AGENT_DATABASE_URL names.",
    "42501": "Let the user of CODING_AGENT_DATABASE_URL create a schema: GRANT CREATE ON DATABASE.",
    "53300": "Raise max_connections of the database, or run fewer servers.",
    "25006": "Name the server that takes writes in CODING_AGENT_DATABASE_URL, or wait for it.",
}


@contextmanager
def map_postgres_errors() -> Iterator[None]:
    """Map what psycopg raises to StoreError."""
    try:
        yield
    except psycopg.Error as error:
        raise _map_error(error) from error


def _map_error(error: psycopg.Error) -> StoreError:
    state = error.sqlstate or ""
    said = str(error).strip().partition("\n")[0] or type(error).__name__
    hint = next((text for code, text in _HINTS.items() if state.startswith(code)), "")
    if state == _FULL:
        return StoreFull(
            f"The database cannot be written: {said}.", "Free space on the database's disk."
        )
    if state in _BUSY:
        return StoreLocked(
            f"The database is locked by another session: {said}.",
            "End the session that holds a transaction open; pg_stat_activity lists them.",
        )
    if state in _DAMAGED:
        return StoreDamaged(f"The database is damaged: {said}.", "Restore it from a backup.")
    if state.startswith(_NOT_HERE) or (not state and isinstance(error, psycopg.OperationalError)):
        return StoreUnavailable(f"The database does not answer: {said}.", hint or _REACH)
    return StoreError(f"The database failed: {said}.", hint or _REACH)
