"""A container's file system: a folder of its own, with the machine's programs mounted read-only."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "opt", "nix", "sys")
MOUNTED = frozenset(f"/{name}" for name in (*SYSTEM, "proc", "dev", "__modal"))
USERS = 1 << 16
FOLDERS = ("tmp", "root", "var/tmp", "mnt", "home", "run", "__modal")


@dataclass(frozen=True)
class Bind:
    source: Path
    target: str
    read_only: bool = False

    def arguments(self) -> list[str]:
        return ["--ro-bind" if self.read_only else "--bind", str(self.source), self.target]


@dataclass
class RootFs:
    """What a container sees as `/`: `folder`, and over it the system and `binds`.

    `packages` has it see those of the running interpreter, which is then the image. They may lie
    below `/tmp`, where a Sandbox would count them as its own. `users` has it know other users than
    root, where this process is root and can give it some.
    """

    folder: Path
    binds: list[Bind] = field(default_factory=list)
    network: bool = True
    packages: bool = True
    users: bool = False

    def prepare(self) -> None:
        for name in FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("tmp", "var/tmp"):
            (self.folder / name).chmod(0o1777)

    def command(
        self, arguments: Sequence[str], *, working_dir: str, info: int, mapped: int | None = None
    ) -> list[str]:
        """The bubblewrap command that runs `arguments` in here, and tells its process on `info`.

        With `mapped` it waits there until its users are mapped.
        """
        words = ["bwrap", "--die-with-parent", "--unshare-user", "--uid", "0", "--gid", "0"]
        words += ["--unshare-pid", "--bind", str(self.folder), "/", "--proc", "/proc"]
        words += ["--dev", "/dev", "--info-fd", str(info), *_system(), *_interpreter(self.packages)]
        words += [] if mapped is None else ["--userns-block-fd", str(mapped)]
        for bind in self.binds:
            words += bind.arguments()
        if not self.network:
            words.append("--unshare-net")
        return [*words, "--chdir", working_dir, *arguments]


def _system() -> list[str]:
    words: list[str] = []
    for name in SYSTEM:
        path = Path("/", name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.exists():
            words += ["--ro-bind", str(path), str(path)]
    return words


def _interpreter(packages: bool) -> list[str]:
    """The running interpreter, and its packages, where they are not in /usr."""
    words: list[str] = []
    for prefix in dict.fromkeys((sys.base_prefix, *([sys.prefix] if packages else []))):
        if not prefix.startswith(tuple(f"/{name}/" for name in SYSTEM)):
            words += ["--ro-bind", prefix, prefix]
    return words


def search_path() -> str:
    """Where programs are found in a container: the system's folders, then the interpreter's."""
    system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return f"{system}:{Path(sys.base_prefix, 'bin')}"


def first_process(info: int) -> int:
    """The process that bubblewrap told of, first in the container's own space; 0 if it failed."""
    with os.fdopen(info, "rb") as told:
        words = told.read()
    return int(json.loads(words)["child-pid"]) if words else 0


def map_users(process: int) -> None:
    """Give a container this machine's own users, its root among them."""
    for kind in ("uid_map", "gid_map"):
        Path(f"/proc/{process}/{kind}").write_text(f"0 0 {USERS}\n")
