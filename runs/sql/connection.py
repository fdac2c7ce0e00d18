"""A connection to a database, as the store's queries use it, whichever database that is."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Cursor(Protocol):
    """The rows of one statement."""

    def fetchone(self) -> Any:
        """The next row, None past the last."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """Values have names; a statement refers to one as `:name`."""

    def execute(self, sql: str, values: Mapping[str, Any] = ..., /) -> Cursor: ...

    def executemany(self, sql: str, values: Iterable[Mapping[str, Any]], /) -> object:
        """Nothing is read of it; it may be carried out only with what follows."""
        ...


class Database(Protocol):
    """A function that was begun is carried through, whoever still waits for it."""

    async def open(self, migrations: Sequence[str] = ()) -> None:
        """Connect, and bring the tables up to date. Raises StoreError."""
        ...

    async def close(self) -> None: ...

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Call `function` with a connection. Raises StoreError."""
        ...

    async def write(self, function: Callable[[Connection], T], done: Callable[[], None]) -> T:
        """Call `function` within a transaction; `done` once it is durable. Raises StoreError."""
        ...


def one_of(column: str, values: Iterable[object]) -> tuple[str, dict[str, object]]:
    """The condition that a column has one of these values, and the values it names."""
    named = {f"{column}_{number}": value for number, value in enumerate(values)}
    names = ", ".join(f":{name}" for name in named)
    return f"{column} IN ({names or 'NULL'})", named
