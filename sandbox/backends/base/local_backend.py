"""What the backends of this machine have in common: trees are folders, owned by uids of runs."""

import asyncio
import os
import stat
from abc import ABC, abstractmethod
from copy import copy
from typing import ClassVar, Self

from graph.calls import acquire
from graph.errors import SandboxLost
from sandbox.backends.base.backend import BackendOptions, Tree
from sandbox.backends.base.local_sandbox import LocalSandbox
from sandbox.backends.base.trial_result import TrialResult
from sandbox.core.protocol import Limits
from sandbox.host.resource_usage import TreeSize
from sandbox.host.run_users import uid_for_run
from sandbox.host.tool_paths import check_tool_paths
from sandbox.tree.checkout import PARTS


class LocalBackend(ABC):
    """A `Backend[Tree]`. What is abstract here is what one more of them has to implement."""

    name: ClassVar[str]
    has_image: ClassVar[bool] = False
    """Whether commands find the programs of an image, not this machine's."""
    is_warm: ClassVar[bool] = False
    """Whether most commands are started in another way than those with an own environment."""

    def __init__(self, options: BackendOptions) -> None:
        """Blocks. Raises SandboxUnavailable."""
        self.options = options
        self.limits = options.limits
        self.state = options.state
        self.tool_paths = options.tool_paths
        self.state.mkdir(parents=True, exist_ok=True)
        check_tool_paths(self.tool_paths, self.state)

    def limited(self, limits: Limits) -> Self:
        twin = copy(self)
        twin.limits = limits
        return twin

    async def prepare(self) -> None:
        await asyncio.to_thread(self.end_orphans)

    async def open(self, tree: Tree) -> LocalSandbox:
        """A sandbox on a tree, as `attach` gives it; cancelled, nothing is at work on the tree."""
        return await acquire(asyncio.to_thread(self.attach, tree), lambda opened: opened.close())

    def uid_for_run(self, run_id: str) -> int | None:
        """The uid that a run's trees belong to. Blocks. Raises SandboxUnavailable."""
        return uid_for_run(run_id)

    def take_image(self, _image: str) -> str | None:
        """The id of an image that is here now, or None: trees have this machine's own programs.

        Blocks. Raises SandboxUnavailable.
        """
        return None

    def has_tree(self, tree: Tree) -> bool:
        """Whether a complete tree of this backend is there that its commands can use. Blocks."""
        try:
            folder, *parts = (os.lstat(tree.folder / name) for name in ("", *PARTS))
        except (FileNotFoundError, NotADirectoryError):
            return False
        folders = all(stat.S_ISDIR(status.st_mode) for status in (folder, *parts))
        return folders and all(tree.uid in (None, status.st_uid) for status in parts)

    def tree_size(self, tree: Tree) -> TreeSize:
        """What a watcher holds to the limit. Raises SandboxLost: the tree is gone."""
        try:
            return TreeSize([str(tree.folder)], self.limits.disk_mb << 20)
        except OSError as error:
            raise SandboxLost(f"the tree of a command is gone: {error}") from error

    @property
    @abstractmethod
    def toolchain(self) -> str:
        """What a set-up's result depends on beside the repository and the commands."""

    @property
    @abstractmethod
    def filters_calls(self) -> bool:
        """Whether the system call filter is ours, so that all it names must be refused."""

    @abstractmethod
    def attach(self, tree: Tree) -> LocalSandbox:
        """A sandbox on a tree; nothing is started. Blocks.

        Raises SandboxUnavailable where the tree's uid does not fit, SandboxLost where it is gone.
        """

    @abstractmethod
    def identity(self) -> list[object]:
        """What a verdict about this backend holds for. Blocks. Raises SandboxUnavailable."""

    @abstractmethod
    def describe(self) -> TrialResult:
        """Which program and version it is, and whether that will do. Blocks."""

    @abstractmethod
    def remedy(self, said: str) -> str:
        """What to do where the sandbox cannot be had, by what it said."""

    @abstractmethod
    def end_orphans(self) -> None:
        """End the sandboxes of services that are no more. Blocks."""
