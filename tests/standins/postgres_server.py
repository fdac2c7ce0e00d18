"""A real PostgreSQL server of the tests' own, run by an ordinary user on a Unix socket."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.standins.certificate import NAME, make_certificate

_FOLDERS = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
_PATH = os.pathsep.join((*_FOLDERS, os.environ.get("PATH", "")))
_OPTIONS = ("fsync=off", "listen_addresses=", "max_connections=60", "log_min_messages=fatal")
_WAIT_S = 60.0


class PostgresServer:
    """A server in a folder of its own; each test asks for a database of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 5432
        self._numbers = count()
        self._process: subprocess.Popen[bytes] | None = None
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to be root's
            nobody = pwd.getpwnam("nobody")
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)

    def create(self) -> None:
        self._run("initdb", "-U", "agent", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")

    def copy(self, primary: "PostgresServer") -> None:
        """Begin with all that another server has, and follow it once started."""
        place = ("-h", str(primary.folder), "-p", str(primary.port), "-U", "agent")
        self._run("pg_basebackup", *place, "-R", "-c", "fast", "--no-sync")

    def promote(self) -> None:
        """Follow no other any more, and take writes."""
        self._run("pg_ctl", "promote", "-w")

    def start(self, *options: str) -> None:
        options = (f"port={self.port}", *options)
        settings = [part for each in (*_OPTIONS, *options) for part in ("-c", each)]
        words = ["-D", str(self.folder / "data"), "-k", str(self.folder), *settings]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_program("postgres"), *words], **self._surroundings, stdout=log, stderr=log
            )
        end = time.monotonic() + _WAIT_S
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)

    def start_over_tls(self) -> Path:
        """Listen on the loopback too, over TLS; where the certificate is."""
        certificate, key = self.folder / "certificate.pem", self.folder / "key.pem"
        for path, text in zip((certificate, key), make_certificate(), strict=True):
            path.write_text(text)
            path.chmod(0o600)
            if owner := self._user.get("user"):
                os.chown(path, owner, owner)
        self.start_on_loopback("ssl=on", f"ssl_cert_file={certificate}", f"ssl_key_file={key}")
        return certificate

    def start_on_loopback(self, *options: str) -> None:
        """Listen on a port of the loopback too."""
        with socket.create_server((NAME, 0)) as listener:
            self.port = listener.getsockname()[1]
        self.start(f"listen_addresses={NAME}", *options)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """`SIGINT`: at once, in order; `SIGQUIT`: as a crash does."""
        if self._process:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def new_database(self) -> str:
        """The address of a database that is empty."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgresql://agent@/{name}?host={self.folder}&port={self.port}"

    def execute(self, sql: str, name: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    @property
    def processes(self) -> list[int]:
        """The ids of the server's processes."""
        assert self._process
        rows = self.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        return [self._process.pid, *(row[0] for row in rows)]

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *words: str) -> None:
        """Run a program of PostgreSQL's on the folder of the data."""
        done = subprocess.run(
            [_program(program), *words, "-D", str(self.folder / "data")],
            **self._surroundings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def _surroundings(self) -> dict[str, Any]:
        return {"cwd": self.folder, "env": {"PATH": _PATH, "LC_ALL": "C"}, **self._user}


def _program(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    if found is None:
        pytest.skip(f"no {name} on this machine: scripts/system-packages slow-tests installs it")
    return found


@contextmanager
def stopped(*processes: int) -> Iterator[None]:
    """None of them does anything while the block runs."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


@contextmanager
def serving(*options: str) -> Iterator[PostgresServer]:
    """A server with these settings while the block runs."""
    with _server() as server:
        server.create()
        server.start(*options)
        yield server


@contextmanager
def following(primary: PostgresServer) -> Iterator[PostgresServer]:
    """A server that takes over what another one does, once it is promoted.

    The other one tells nobody that a change is kept before this one has it too.
    """
    with _server() as server:
        server.copy(primary)
        server.start()
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.execute("SELECT pg_reload_conf()")
        yield server


@contextmanager
def _server() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="coding-agent-pg-", dir="/tmp"))
    server = PostgresServer(folder)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def records_on_loopback() -> Iterator[str]:
    """The address of an empty database, on a port that containers reach."""
    with serving() as server:
        server.stop()
        server.start_on_loopback()
        server.execute("CREATE DATABASE records")
        yield f"postgresql://agent@127.0.0.1:{server.port}/records"
