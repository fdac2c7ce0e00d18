"""A data folder that an earlier release left, put in place as if that had been on this machine."""

import hashlib
import json
import lzma
import os
import platform
import sqlite3
import tarfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self

ARCHIVE: Final = Path(__file__).parent / "old_data_folders" / "abf0058.tar.xz"
_REPOSITORIES: Final = ("octo/sample-1", "octo/sample-2")
"""As the forge of then numbered them, from 1."""
_WITH_SETUP: Final = "octo/sample-1"


@dataclass(frozen=True)
class OldDataFolder:
    """The data folder, beside what the service of then told of it."""

    folder: Path
    told: dict[str, Any]

    @classmethod
    def unpack(cls, folder: Path) -> Self:
        """With owners, modes, and times to the nanosecond: a kept pack is known by its time."""
        with lzma.open(ARCHIVE) as packed, tarfile.open(fileobj=packed) as tar:
            # As an attribute: the argument `filter` is not in every release of Python 3.11.
            tar.extraction_filter = _as_it_is
            tar.extractall(folder, numeric_owner=True)
            for member in tar:
                if changed := member.pax_headers.get("mtime"):
                    at = int(Decimal(changed) * 10**9)
                    os.utime(folder / member.name, ns=(at, at))
        return cls(folder, json.loads((folder / "told.json").read_text()))

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def repositories(self) -> dict[str, Path]:
        """Bundles by full names, in the order in which they are to be hosted."""
        names = ((name, name.partition("/")[2]) for name in _REPOSITORIES)
        return {full: self.folder / "repositories" / f"{name}.bundle" for full, name in names}

    def move(self, forge: str, shas: Mapping[str, str]) -> "OldDataFolder":
        """Let the forge have been at this address, the system this one, and all of it just now.

        `shas` are the commits of the repositories by their full names.
        """
        before = self.told["address"]
        assert len(forge) == len(before), f"{forge} is not as long as {before}"
        moved = {before.partition("//")[2]: forge.partition("//")[2]}
        for number, name in enumerate(_REPOSITORIES, 1):
            old, new = (_place(web, name, number) for web in (before, forge))
            (self.data / "bases" / old).rename(self.data / "bases" / new)
            (self.data / "bases" / f"{old}.lock").rename(self.data / "bases" / f"{new}.lock")
            moved[old] = new
        for path in self.data.rglob("*"):
            if path.is_file() and not path.is_symlink():
                _move_rows(path, moved) if path.suffix == ".db" else _move_text(path, moved)
        _renew_runs(self.data / "runs.db")
        self._renew_setup(forge, shas[_WITH_SETUP])
        return OldDataFolder(self.folder, json.loads(_moved(json.dumps(self.told), moved)))

    def _renew_setup(self, forge: str, sha: str) -> None:
        """A result of set-up is kept for a week, and for one system."""
        old = _setup_name(self.told, self.told["address"], sha, self.told["setup"]["toolchain"])
        new = _setup_name(self.told, forge, sha, _toolchain())
        setups = self.data / "setups"
        (setups / f"{old}.lock").rename(setups / f"{new}.lock")
        file = (setups / f"{old}.tar").rename(setups / f"{new}.tar")
        os.utime(file, times=(now := int(time.time()), now))


def _as_it_is(member: tarfile.TarInfo, _: str) -> tarfile.TarInfo:
    return member


def _place(web: str, full_name: str, number: int) -> str:
    """The name of a kept base, as it was made then."""
    digest = hashlib.sha256(f"{web}\n{number}".encode()).hexdigest()[:16]
    return f"{full_name.replace('/', '-')}-{digest}"


def _setup_name(told: Mapping[str, Any], forge: str, sha: str, toolchain: str) -> str:
    """The name of a kept result of set-up, as it was made then."""
    setup = told["setup"]
    address = f"{forge}/{_WITH_SETUP}"
    read = [1, address, sha, "", setup["commands"], toolchain, [_shown(h) for h in setup["hosts"]]]
    return hashlib.sha256(json.dumps(read).encode()).hexdigest()


def _shown(host: str) -> str:
    name, _, port = host.partition(":")
    return f"SetupHost(name={name!r}, port={port}, internal=True)"


def _toolchain() -> str:
    """What bubblewrap's toolchain was named by then, without further tool paths."""
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        return f"{platform.machine()}\n"
    return f"{platform.machine()}\n{system.get('ID', '')} {system.get('VERSION_ID', '')}"


def _moved(text: str, moved: Mapping[str, str]) -> str:
    for old, new in moved.items():
        text = text.replace(old, new)
    return text


def _move_text(path: Path, moved: Mapping[str, str]) -> None:
    """What is text is text in UTF-8; all else comes through as it is."""
    before = path.read_bytes()
    after = _moved(before.decode(errors="surrogateescape"), moved)
    if (content := after.encode(errors="surrogateescape")) != before:
        status = path.stat()
        path.chmod(0o600)
        path.write_bytes(content)
        path.chmod(status.st_mode)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _move_rows(path: Path, moved: Mapping[str, str]) -> None:
    """In every column of every table; checkpoints are bytes that hold text."""

    def replaced(value: Any) -> Any:
        if isinstance(value, bytes):
            text = value.decode(errors="surrogateescape")
            return _moved(text, moved).encode(errors="surrogateescape")
        return _moved(value, moved) if isinstance(value, str) else value

    with closing(sqlite3.connect(path)) as connection, connection:
        connection.create_function("replaced", 1, replaced)
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            rows = connection.execute(f"PRAGMA table_info({table})").fetchall()
            changes = ", ".join(f"{name} = replaced({name})" for _, name, *_ in rows)
            connection.execute(f"UPDATE {table} SET {changes}")


def _renew_runs(path: Path) -> None:
    """A run that waits is given up after a week, one that has ended removed after some more."""
    with closing(sqlite3.connect(path)) as connection, connection:
        now = time.time()
        connection.execute(
            "UPDATE runs SET updated_at = ?1, doc = json_set(doc, '$.updated_at', ?1)", (now,)
        )
