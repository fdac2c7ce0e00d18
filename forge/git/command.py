"""Trusted git commands: an exact environment, limits, and the token out of every text."""

import asyncio
import re
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from forge.core.credentials import TokenUse
from forge.core.forge import GitAccess
from forge.git.environment import ENVIRONMENT, network, options, sign_in
from forge.git.process import run_process
from graph.calls import end_tasks
from graph.errors import GitFailed, StoreFull

_TOLD: Final = 1000
_MIB: Final = 1024 * 1024
_REFUSED_SIGN_IN: Final = (
    "requested URL returned error: 401",
    "could not read Username",
    "could not read Password",
    "Authentication failed",
)
_SIGN_IN: Final = re.compile(r"(?<=://)[^/\s]{1,1000}@")
"""A user and password in an address, such as a proxy's; a password may hold an @ itself."""
_DISK_FULL: Final = ("No space left on device", "Disk quota exceeded")
_PRIVATE: Final = "umask 077 && "
"""Set by a shell, as every event loop can have it: not all of them take it as an option."""


@dataclass(frozen=True)
class GitLimits:
    """Limits of one command: seconds by the clock and of processor, MiB of memory and of a file."""

    timeout_s: float = 60
    cpu_s: int = 60
    memory_mb: int = 2048
    file_mb: int = 1024
    output_bytes: int = 128 * _MIB

    def command(self, *, private: bool) -> list[str]:
        """A shell that becomes a command, within the kernel's limits where the system has them."""
        told = _PRIVATE if private else ""
        if sys.platform == "linux":
            sizes = f"-v {self.memory_mb * 1024} && ulimit -f {self.file_mb * 2048}"
            told += f"ulimit {sizes} && ulimit -t {self.cpu_s} && ulimit -c 0 && "
        return ["/bin/sh", "-c", f'{told}exec "$@"', "sh"]

    def hold(self, pid: int) -> None:
        """Set the kernel's limits on a command that was started by others; Linux alone."""
        for kind, limit in (
            (resource.RLIMIT_AS, self.memory_mb * _MIB),
            (resource.RLIMIT_CPU, self.cpu_s),
            (resource.RLIMIT_FSIZE, self.file_mb * _MIB),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.prlimit(pid, kind, (limit, limit))


LOCAL: Final = GitLimits()
TRANSFER: Final = GitLimits(timeout_s=600, cpu_s=600, memory_mb=4096, file_mb=4096)
"""For what moves objects over the network."""


@dataclass(frozen=True)
class GitResult:
    """How a command ended; `stderr` is safe to show. `over`: stopped by time or output."""

    verb: str
    exit_code: int
    stdout: bytes
    stderr: str
    over: str = ""

    @property
    def ok(self) -> bool:
        return self.exit_code == 0 and not self.over

    @property
    def disk_full(self) -> bool:
        return any(sign in self.stderr for sign in _DISK_FULL)

    @property
    def sign_in_refused(self) -> bool:
        return not self.ok and any(sign in self.stderr for sign in _REFUSED_SIGN_IN)

    def failure(self) -> GitFailed | StoreFull:
        """The error where no other fits."""
        if self.disk_full:
            return StoreFull("There is no space left on the disk for what git writes.")
        reason = f"stopped: {self.over}" if self.over else self.stderr.strip()[-_TOLD:]
        return GitFailed(f"git {self.verb} failed: {reason or f'exit code {self.exit_code}'}")


@dataclass(frozen=True)
class SystemUser:
    """Whom a command runs as, where we are root and the files are another's."""

    uid: int
    gid: int

    def command(self) -> list[str]:
        """What makes a command this user's."""
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--"]


class Git:
    """Starts git. `hide` are further texts that no message may show, such as host paths."""

    def __init__(self, access: GitAccess, *, hide: tuple[str, ...] = ()) -> None:
        self._access = access
        self._forms = access.credentials.forms
        self._hide = hide

    async def run(
        self,
        *arguments: str,
        git_dir: str = "",
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        configured: tuple[str, ...] = (),
        limits: GitLimits = LOCAL,
        user: SystemUser | None = None,
        private: bool = True,
    ) -> GitResult:
        """Run one command without network. `configured` are further `-c` options.

        `private`: what it writes is for our user alone; else it has the modes the user's own have.
        """
        line = [*options(*configured), *_at(git_dir), *arguments]
        exact = {**ENVIRONMENT, **(environment or {})}
        start = [*limits.command(private=private), *(user.command() if user else ())]
        return await self._execute(start, line, exact, limits, stdin)

    async def output(
        self,
        *arguments: str,
        git_dir: str = "",
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        configured: tuple[str, ...] = (),
    ) -> bytes:
        """What one command prints. Raises GitFailed."""
        result = await self.run(
            *arguments,
            git_dir=git_dir,
            stdin=stdin,
            environment=environment,
            configured=configured,
        )
        if not result.ok:
            raise result.failure()
        return result.stdout

    async def transfer(
        self,
        *arguments: str,
        git_dir: str = "",
        environment: Mapping[str, str] | None = None,
        finish_s: float = 0,
    ) -> GitResult:
        """Run one command that talks to a repository below the configured address, signed in.

        Its address is one of the arguments. Raises ForgeError where there is no token for it.
        `finish_s`: how long a cancelled command may go on, so that a write comes to its end.
        """
        repo, credentials = _repository(self._access.web, arguments), self._access.credentials
        use: TokenUse = "all" if arguments[0] == "push" else "fetch"
        result = GitResult("", -1, b"", "")
        for _ in range(2):
            token = await credentials.token(repo, use)
            result = await self._transfer(arguments, git_dir, environment or {}, token, finish_s)
            if not (result.sign_in_refused and credentials.renew(repo, use)):
                break
        return result

    async def _transfer(
        self,
        arguments: tuple[str, ...],
        git_dir: str,
        environment: Mapping[str, str],
        token: SecretStr | None,
        finish_s: float,
    ) -> GitResult:
        allowed, option = network(self._access.web)
        signed_in = sign_in(self._access, token)
        exact = {**ENVIRONMENT, **environment, **allowed, **signed_in}
        line = [*options(option), *_at(git_dir), *arguments]
        start = TRANSFER.command(private=True)
        task = asyncio.create_task(self._execute(start, line, exact, TRANSFER))
        try:
            return await asyncio.shield(task)
        finally:
            try:
                await asyncio.wait([task], timeout=finish_s)
            finally:
                await end_tasks(task)

    async def _execute(
        self,
        start: list[str],
        line: list[str],
        environment: Mapping[str, str],
        limits: GitLimits,
        stdin: bytes = b"",
    ) -> GitResult:
        ended = await run_process(
            [*start, "git", *line],
            environment,
            stdin=stdin,
            timeout_s=limits.timeout_s,
            output_bytes=limits.output_bytes,
        )
        return GitResult(
            _verb(line), ended.exit_code, ended.stdout, self._safe(ended.stderr), ended.over
        )

    def _safe(self, stderr: bytes) -> str:
        text = _SIGN_IN.sub("***@", self._forms.hide(stderr.decode("utf-8", "replace")))
        for hidden in self._hide:
            text = text.replace(hidden, "…")
        return text


def _repository(web: str, arguments: tuple[str, ...]) -> str:
    """OWNER/NAME of the address among the arguments; empty where there is none."""
    address = next((word for word in arguments if word.startswith(f"{web}/")), "")
    return address.removeprefix(f"{web}/").removesuffix(".git")


def _at(git_dir: str) -> list[str]:
    return [f"--git-dir={git_dir}"] if git_dir else []


def _verb(line: list[str]) -> str:
    """The git command of a line: the first word that is neither an option nor its value."""
    words = iter(line)
    for word in words:
        if word in ("-c", "-C"):
            next(words)
        elif not word.startswith("-"):
            return word
    return ""
