"""A run with a real repository, a bare base cloned from it, and real sandboxes."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from graph.files import store_change
from graph.files.run_folder import RunFolder
from graph.values import Base, ChangeRef
from sandbox.backends.base.local_backend import LocalBackend
from sandbox.core.protocol import Limits, Sandbox, Sandboxes, TreeSpec
from sandbox.tree.run_folder import LocalWorkspaces, make_run_folder
from sandbox.tree.take_patch import take_change
from sandbox.trees.local_trees import LocalSandboxes
from tests.support.graph.environments import environment_of
from tests.support.sandbox.local_tree import make_backend

RUN = "run1"
NOTHING: Mapping[str, str] = {}
IDENTITY = ("-c", "user.name=Ada", "-c", "user.email=ada@localhost")


def git(
    folder: Path, *words: str, stdin: bytes = b"", environment: Mapping[str, str] = NOTHING
) -> str:
    done = subprocess.run(
        ["git", *IDENTITY, *words],
        cwd=folder,
        input=stdin,
        check=True,
        capture_output=True,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "GIT_CONFIG_NOSYSTEM": "1",
            **environment,
        },
    )
    return done.stdout.decode(errors="replace").strip()


def commit_files(folder: Path, files: Mapping[str, str | bytes], mode: int = 0o644) -> None:
    """Make a repository of these files, with one commit on `main`."""
    folder.mkdir()
    git(folder, "init", "-q", "--template=", "-b", "main")
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "Start")


def read_base(repository: Path) -> Base:
    sha, tree = git(repository, "rev-parse", "HEAD", "HEAD^{tree}").split()
    return Base(
        address=str(repository),
        full_name="ada/sample",
        branch="main",
        sha=sha,
        tree=tree,
    )


@dataclass(frozen=True)
class SampleRun:
    """One run over one repository."""

    runs: Path
    base: Base
    sandboxes: Sandboxes
    workspaces: LocalWorkspaces

    @property
    def folder(self) -> RunFolder:
        return RunFolder.of(self.runs, RUN)

    async def open(
        self, name: str = "live", change: ChangeRef | None = None, *setup: str
    ) -> Sandbox:
        return await self.sandboxes.open(
            RUN, TreeSpec(name, self.base, change, environment_of(setup))
        )

    async def take(self, sandbox: Sandbox) -> bytes:
        return (await take_change(sandbox, self.base)).patch

    async def make_change(self, command: str, step: int = 1) -> ChangeRef:
        """The change that a command makes in a tree of its own."""
        sandbox = await self.open(f"making-{step}")
        result = await sandbox.run(command)
        assert result.exit_code == 0, result.text
        patch = await self.take(sandbox)
        await self.sandboxes.discard(RUN, f"making-{step}")
        return store_change(RunFolder.of(self.runs, RUN), step, "coder", patch)

    def tree_outside(self, patch: bytes) -> str:
        """The tree that trusted git makes of a patch, without a checkout."""
        base_git = self.folder.base_git
        index = {"GIT_INDEX_FILE": str(self.runs / "index")}
        git(base_git, "read-tree", self.base.sha, environment=index)
        if patch:
            apply = ("apply", "--cached", "--binary", "-")
            git(base_git, *apply, stdin=patch, environment=index)
        return git(base_git, "write-tree", environment=index)

    def trees(self) -> list[str]:
        return sorted(path.name for path in self.folder.trees.iterdir())


def sample_run(
    data: Path,
    files: Mapping[str, str | bytes],
    *,
    mode: int = 0o644,
    limits: Limits | None = None,
    backend: LocalBackend | None = None,
) -> SampleRun:
    """A run whose base holds `files`, all of that mode."""
    commit_files(data / "source", files, mode)
    runs = data / "runs"
    make_run_folder(runs, RUN)
    base_git = RunFolder.of(runs, RUN).base_git
    git(data, "clone", "-q", "--bare", "--template=", str(data / "source"), str(base_git))
    backend = backend or make_backend(data, limits or Limits(timeout_s=30))
    sandboxes = LocalSandboxes(runs=runs, backend=backend)
    return SampleRun(
        runs=runs,
        base=read_base(data / "source"),
        sandboxes=sandboxes,
        workspaces=LocalWorkspaces(runs=runs, sandboxes=sandboxes),
    )
