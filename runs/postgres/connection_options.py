"""How this product connects to a PostgreSQL server: over TLS, and with an end to each wait."""

from dataclasses import dataclass
from typing import Any, Final

from psycopg import ProgrammingError, pq
from psycopg.conninfo import conninfo_to_dict

from graph.errors import StoreError

SCHEMA: Final = "coding_agent"
"""Of all tables, so that a database may hold others."""
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_VERIFIED: Final = ("verify-ca", "verify-full")
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
        the clear where somebody between says that it does not.
        """
        try:
            given = conninfo_to_dict(self.url)
        except ProgrammingError:
            raise StoreError(
                "CODING_AGENT_DATABASE_URL is no address of a PostgreSQL database.",
                "It looks like postgresql://USER:PASSWORD@HOST/DATABASE, with % and @ escaped.",
            ) from None
        known = _environment() | given
        hosts = str(known.get("hostaddr") or known.get("host") or "").split(",")
        here = all(map(_is_here, hosts))
        tls = {} if here or known.get("sslmode") in _VERIFIED else {"sslmode": "require"}
        return {**_DEFAULTS, **tls, **given}

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


def _environment() -> dict[str, Any]:
    """What libpq takes of its own variables, such as PGHOST, where the address says nothing."""
    options = pq.Conninfo.get_defaults()
    return {each.keyword.decode(): each.val.decode() for each in options if each.val}


def _is_here(host: str) -> bool:
    """Whether a host is this machine: a folder of sockets, or a name of the loopback."""
    return not host or host.startswith(("/", "@")) or host in _LOOPBACK
