"""Sandboxes without walls, for tests in which the walls are not the point: folders of the run."""

import asyncio
import shutil
import subprocess
from pathlib import Path

from graph.files import load_change
from graph.files.run_folder import RunFolder
from graph.values import Base
from sandbox.core.output import BothEnds
from sandbox.core.protocol import (
    BASE_OBJECTS,
    WORKSPACE,
    ExecResult,
    FileAccessError,
    LimitHit,
    Sandbox,
    Sandboxes,
    ServiceUse,
    SetUpReport,
    TreeSpec,
)
from sandbox.tree.git_dir import make_git_dir
from sandbox.tree.run_folder import make_run_folder


class DirectorySandbox:
    """Runs commands in a folder; its path stands in for the sandbox's own paths."""

    def __init__(self, root: Path, base_objects: Path) -> None:
        self.root = root
        self._base_objects = base_objects
        self.commands: list[str] = []
        self.closed = False

    async def run(
        self,
        command: str,
        *,
        timeout_s: float | None = None,
        stdin: bytes = b"",
        keep_bytes: int = 64 * 1024,
        services: ServiceUse | None = None,
        more_follow: bool = False,
    ) -> ExecResult:
        del services, more_follow  # no tree of it has any, and nothing is slow to start
        self.commands.append(command)
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            self._here(command),
            cwd=self.root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.root.parent)},
            start_new_session=True,
        )
        limit: LimitHit | None = None
        try:
            async with asyncio.timeout(timeout_s):
                output, _ = await process.communicate(stdin)
        except TimeoutError:
            limit, output = "time", b""
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        ends = BothEnds(keep_bytes)
        ends.feed(output)
        code = None if limit else process.returncode
        return ExecResult(code, ends.kept, ends.dropped, duration_ms=1, limit=limit)

    async def read(self, path: str, *, max_bytes: int = 1024 * 1024) -> bytes:
        file = Path(self._here(path))
        if not file.is_file():
            raise FileAccessError(f"{path!r} cannot be used: there is no such file")
        data = file.read_bytes()
        if len(data) > max_bytes:
            raise FileAccessError(f"{path!r} cannot be read: it is larger than {max_bytes} bytes")
        return data

    async def write(self, path: str, data: bytes) -> None:
        file = Path(self._here(path))
        if file.is_dir():
            raise FileAccessError(f"{path!r} cannot be used: it is a folder")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    async def close(self) -> None:
        self.closed = True

    def _here(self, text: str) -> str:
        there = text.replace(BASE_OBJECTS, str(self._base_objects))
        return there.replace(WORKSPACE, str(self.root)).replace("/tmp/.", f"{self.root.parent}/.")


class DirectorySandboxes(Sandboxes):
    """Trees as folders of the run; `opened` tells which were asked for."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self.opened: list[TreeSpec] = []
        self.discarded: list[str] = []

    async def open(self, run_id: str, spec: TreeSpec) -> Sandbox:
        self.opened.append(spec)
        run = RunFolder.of(self._runs, run_id)
        root = run.trees / spec.name / "workspace"
        sandbox = DirectorySandbox(root, run.base_git / "objects")
        if not root.exists():
            root.mkdir(parents=True)
            script = f"set -e\n{make_git_dir('.git', spec.base)}\ngit reset -q --hard\n"
            patch = (
                load_change(RunFolder.of(self._runs, run_id), spec.change) if spec.change else b""
            )
            if patch:
                script += "git apply --index -\n"
            result = await sandbox.run(script, stdin=patch)
            assert result.exit_code == 0, result.text
        return sandbox

    async def set_up(self, _run_id: str, _spec: TreeSpec) -> SetUpReport | None:
        return None

    async def discard(self, run_id: str, name: str) -> None:
        self.discarded.append(name)
        shutil.rmtree(RunFolder.of(self._runs, run_id).trees / name, ignore_errors=True)

    async def close_run(self, run_id: str, *, keep: tuple[str, ...] = ()) -> None:
        """Nothing is open between calls."""


def make_run(runs: Path, run_id: str, files: dict[str, str]) -> Base:
    """A run's folder whose base is one commit with these files."""
    make_run_folder(runs, run_id)
    base_git = RunFolder.of(runs, run_id).base_git
    source = runs / f"{run_id}-source"
    source.mkdir()
    for name, content in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(content)

    def git(*words: str) -> str:
        line = ["git", "-c", "user.name=T", "-c", "user.email=t@localhost", *words]
        done = subprocess.run(line, cwd=source, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-q", "--allow-empty", "-m", "start")
    git("clone", "-q", "--bare", ".", str(base_git))
    for folder in (base_git, *base_git.rglob("*")):
        folder.chmod(0o755 if folder.is_dir() else 0o644)
    return Base(
        address="http://127.0.0.1/o/r",
        full_name="o/r",
        branch="main",
        sha=git("rev-parse", "HEAD"),
        tree=git("rev-parse", "HEAD^{tree}"),
    )
