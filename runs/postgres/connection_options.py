"""How this product connects to a PostgreSQL server: over TLS, and with an end to each wait."""

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from psycopg import ProgrammingError, pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from graph.errors import StoreError

SCHEMA: Final = "coding_agent"
"""Of all tables, so that a database may hold others."""
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_VERIFIED: Final = ("verify-ca", "verify-full")
_SAID: Final = ("disable", "require")
"""Others that an address may hold leave it to whoever answers."""
_UNUSABLE: Final = {"target_session_attrs": "none of them"}
_DEFAULTS: Final = {
    "application_name": "coding-agent",
    "client_encoding": "utf8",
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}


@dataclass(frozen=True)
class ConnectionOptions:
    """The address of a database, which is a secret, and the longest waits in seconds.

    `lock_s`: for a row that another transaction changes. `answer_s`: for an answer.
    """

    url: str
    lock_s: float = 5.0
    answer_s: float = 15.0

    def __repr__(self) -> str:
        return "ConnectionOptions(url=…)"

    @property
    def parameters(self) -> dict[str, Any]:
        """What libpq is given; what the address says itself goes before. Raises StoreError.

        A server elsewhere must offer TLS: else libpq would send the password and all else in
        the clear where somebody between says that it does not. The address alone may allow that.
        """
        try:
            given = conninfo_to_dict(self.url)
        except ProgrammingError:
            raise StoreError(
                "CODING_AGENT_DATABASE_URL is no address of a PostgreSQL database.",
                "It looks like postgresql://USER:PASSWORD@HOST/DATABASE, with % and @ escaped.",
            ) from None
        known = _with_what_libpq_adds(given)
        is_said = given.get("sslmode") in _SAID or known.get("sslmode") in _VERIFIED
        tls = {} if is_said or _is_here(known) else {"sslmode": "require"}
        return {**_DEFAULTS, **given, **tls}

    @property
    def session(self) -> str:
        """The statements that a new connection begins with."""
        return (
            f"SET search_path TO {SCHEMA};"
            f" SET lock_timeout TO {int(self.lock_s * 1000)};"
            f" SET statement_timeout TO {int(self.answer_s * 1000)};"
            f" SET idle_in_transaction_session_timeout TO {int(self.answer_s * 1000)};"
            " SET default_transaction_isolation TO 'read committed'"
        )


def _with_what_libpq_adds(given: dict[str, Any]) -> dict[str, str]:
    """What libpq would connect with: of the address, a service's file, and variables as PGHOST.

    It says so of an address that it goes no further with than to read it.
    """
    read = pq.PGconn.connect_start(make_conninfo("", **{**given, **_UNUSABLE}).encode())
    try:
        return {each.keyword.decode(): each.val.decode() for each in read.info if each.val}
    finally:
        read.finish()


def _is_here(known: dict[str, str]) -> bool:
    """Whether each host is this machine: a folder of sockets, or a name of the loopback."""
    hosts, numbers = known.get("host", "").split(","), known.get("hostaddr", "").split(",")
    places = [number or host for host, number in zip_longest(hosts, numbers, fillvalue="")]
    return all(not place or place.startswith(("/", "@")) or place in _LOOPBACK for place in places)
