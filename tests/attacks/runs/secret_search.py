"""Looks for marked secrets in files, git objects, processes while they run, and what was sent."""

import asyncio
import os
import re
import subprocess
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from graph import SecretForms
from tests.support.trusted_side import ENVIRONMENT
from tests.support.written_pieces import written_pieces

_TRANSFER = re.compile(rb"\b(clone|fetch|push|ls-remote|remote-https?|index-pack|send-pack)\b")
"""A transfer, or a part of one whose beginning may be gone already."""
_LOOSE = re.compile(r"/objects/[0-9a-f]{2}/[0-9a-f]{38}$")


@dataclass
class SecretSearch:
    """Where each secret was found, in any form it could be read back from."""

    secrets: Mapping[str, str]
    found: set[tuple[str, str]] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    """Names of the programs whose processes were looked at."""

    def __post_init__(self) -> None:
        self._forms = {
            name: SecretForms(SecretStr(secret)) for name, secret in self.secrets.items()
        }

    def look(self, place: str, data: bytes | str) -> None:
        raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        for name, forms in self._forms.items():
            if forms.position(raw) >= 0:
                self.found.add((name, place))

    def folder(self, folder: Path) -> None:
        """Every file below a folder, and what git keeps deflated there."""
        for parent, folders, files in os.walk(folder):  # passes over what goes meanwhile
            if "HEAD" in files and "objects" in folders:
                self.repository(Path(parent))
            for path in (Path(parent) / name for name in (*folders, *files)):
                with suppress(OSError):
                    if path.is_symlink():
                        self.look("link", str(path.readlink()))
                    elif path.is_file():
                        self._file(path)

    def repository(self, git_dir: Path) -> None:
        """All objects of a repository, inflated."""
        command = ["git", f"--git-dir={git_dir}", "cat-file", "--batch-all-objects", "--batch"]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False)
        self.look("git object", done.stdout)

    def _file(self, path: Path) -> None:
        for piece in written_pieces(path):
            self.look(f"file {path.name}", piece)
        if _LOOSE.search(str(path)):
            self.look("git object", zlib.decompress(path.read_bytes()))

    @contextmanager
    def processes(self, root: int) -> Iterator[None]:
        """Look at arguments and environment of a process and all it starts, again and again."""
        over = threading.Event()

        def sample() -> None:
            while not over.wait(0.01):
                self._family(str(root), "")

        thread = threading.Thread(target=sample)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _family(self, pid: str, within: str) -> None:
        """One process and its descendants; what a signed-in git starts is a part of it.

        Children are listed by the thread that started them. A process without arguments is just
        coming or going, one whose arguments change is becoming another program.
        """
        with suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            name = line.partition(b"\0")[0].rpartition(b"/")[2].decode("utf-8", "replace")
            within = within or ("a git transfer" if _TRANSFER.search(line) else "")
            self.seen.add(name)
            self.look("arguments", line)
            if line and line == Path(f"/proc/{pid}/cmdline").read_bytes():
                self.look(f"environment of {within or name}", environment)
        for children in Path("/proc").glob(f"{pid}/task/*/children"):
            with suppress(OSError):
                for child in children.read_text().split():
                    self._family(child, within)


async def searched(search: SecretSearch, *folders: Path) -> None:
    """Look at folders without holding up the loop that servers of the test run on."""
    for folder in folders:
        await asyncio.to_thread(search.folder, folder)
