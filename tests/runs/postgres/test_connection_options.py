"""How the address of a database is taken: TLS where it is elsewhere, and never shown."""

from pathlib import Path

import pytest

from graph.errors import StoreError

pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")

from runs.postgres.connection_options import ConnectionOptions


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://me:secret@db.example/runs", "require"),
        ("postgresql://me:secret@10.0.0.7:5433/runs", "require"),
        ("postgresql://me@localhost,db.example/runs", "require"),
        ("postgresql://me@db.example/runs?sslmode=verify-full", "verify-full"),
        ("postgresql://me@db.example/runs?sslmode=disable", "disable"),
        ("postgresql://me@localhost/runs?hostaddr=203.0.113.5", "require"),
        ("postgresql://me@db.example,localhost/runs?hostaddr=,127.0.0.1", "require"),
        ("postgresql://me@localhost,/runs?hostaddr=,203.0.113.5", "require"),
        ("postgresql://me@db.example/runs?sslmode=prefer", "require"),
        ("postgresql://me@db.example/runs?sslmode=allow", "require"),
        ("postgresql://me@db.example/runs?sslmode=verify-ca", "verify-ca"),
        ("postgresql://me@db.example/runs?sslrootcert=/etc/ca.pem", "require"),
        ("postgresql://me@db.example/runs?sslrootcert=system", None),
        ("postgresql://me@db.example/runs?passfile=/etc/passwords", "require"),
        ("postgresql://me@db.example/runs?target_session_attrs=read-write", "require"),
        ("postgresql:///runs?host=db.example", "require"),
        ("host=db.example dbname=runs", "require"),
        ("host=/run/postgresql dbname=runs", None),
        ("postgresql://me@localhost/runs", None),
        ("postgresql://me@127.0.0.1/runs", None),
        ("postgresql://me@[::1]/runs", None),
        ("postgresql:///runs", None),
        ("postgresql://me@/runs?host=/run/postgresql", None),
        ("postgresql://me@%2Frun%2Fpostgresql/runs", None),
        ("postgresql://me@localhost,127.0.0.1/runs?hostaddr=127.0.0.1,", None),
    ],
)
def test_a_server_elsewhere_must_offer_tls(url: str, mode: str | None) -> None:
    assert ConnectionOptions(url).parameters.get("sslmode") == mode


def test_a_server_that_variables_of_libpq_name_is_elsewhere_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    assert ConnectionOptions("postgresql:///runs").parameters["sslmode"] == "require"
    assert "sslmode" not in ConnectionOptions("postgresql://localhost/runs").parameters
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    for url in ("postgresql:///runs", "postgresql://db.example/runs"):
        assert "sslmode" not in ConnectionOptions(url).parameters  # libpq's own holds


_SERVICES = """
[elsewhere]
host=db.example
[open]
host=db.example
sslmode=disable
[checked]
host=db.example
sslmode=verify-full
[here]
host=localhost
"""


@pytest.mark.parametrize(
    ("service", "mode"),
    [("elsewhere", "require"), ("open", "require"), ("checked", None), ("here", None)],
)
def test_a_server_that_a_services_file_names_is_elsewhere_too(
    service: str, mode: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = tmp_path / "services"
    services.write_text(_SERVICES)
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    named = ConnectionOptions(f"postgresql:///runs?service={service}").parameters
    assert (named["service"], named.get("sslmode")) == (service, mode)
    beside = ConnectionOptions(f"postgresql://db.example/runs?service={service}").parameters
    assert beside.get("sslmode") == (None if service == "checked" else "require")
    monkeypatch.setenv("PGSERVICE", service)
    assert ConnectionOptions("postgresql:///runs").parameters.get("sslmode") == mode


def test_what_the_address_says_goes_before() -> None:
    parameters = ConnectionOptions("postgresql://h/d?connect_timeout=60").parameters
    assert parameters["connect_timeout"] == "60"
    assert parameters["keepalives_idle"] == "5"


def test_an_address_that_is_none_is_not_repeated() -> None:
    options = ConnectionOptions("postgresql://me:sec%ret@h/d?nonsense=1")
    with pytest.raises(StoreError, match="CODING_AGENT_DATABASE_URL") as raised:
        _ = options.parameters
    assert "sec" not in f"{raised.value} {raised.value.hint}"
    assert "sec" not in repr(options)
