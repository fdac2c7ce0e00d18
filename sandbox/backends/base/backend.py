"""What a place that runs untrusted commands has to offer. To add one, begin here.

A backend is a folder beside this one: `backend.py` implements `Backend` there, `sandbox.py` the
`Sandbox` that it attaches to a tree. Where trees are folders of this machine, it derives from
`LocalBackend` (`local_backend.py`) and its sandboxes from `LocalSandbox`; those come with files,
limits on time and disk, and the same trial for all. `BackendName` and `sandbox.registry.BACKENDS`
name it, and `tests/sandbox/backends/test_contract.py` says what it must hold to.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from pydantic import SecretStr

from graph.errors import SandboxUnavailable
from sandbox.backends.base.trial_result import TrialResult
from sandbox.core.protocol import Limits, Sandbox
from sandbox.egress.forwarder import Outlet

BackendName = Literal["auto", "bubblewrap", "docker", "modal"]
Tree_contra = TypeVar("Tree_contra", contravariant=True)


@dataclass(frozen=True)
class BackendOptions:
    """What backends are made of; each takes what it needs.

    `state` is a folder of their own on this machine. `image` has what commands find in a container;
    a repository may name another that one of the globs `images` fits.
    Set-up reaches `setup_hosts` alone; None: the operator said nothing. What lies elsewhere belongs
    to `app_name`, and ends after `lifetime_s`, or `idle_s` without a use, whoever forgot it; a run
    that can be resumed leaves its live tree there until then where it `keeps_live`.
    """

    limits: Limits
    state: Path
    tool_paths: tuple[Path, ...] = ()
    image: str = ""
    images: tuple[str, ...] = ()
    docker_environment: Mapping[str, str] = field(default_factory=dict)
    setup_hosts: tuple[str, ...] | None = None
    setup_secrets: Mapping[str, Mapping[str, SecretStr]] = field(default_factory=dict)
    app_name: str = ""
    lifetime_s: int = 24 * 3600
    idle_s: int = 900
    keeps_live: bool = False

    def check_image(self, image: str) -> None:
        """Raise SandboxUnavailable where a repository may not name it."""
        if not any(fnmatchcase(image, glob) for glob in self.images):
            named = ",".join((*self.images, image))
            raise SandboxUnavailable(
                f"CODING_AGENT_IMAGES does not allow {image}.",
                f"To use it, set CODING_AGENT_IMAGES={shlex.quote(named)}",
            )

    @property
    def setups(self) -> Path:
        """Where results of set-ups are kept that runs share."""
        return self.state.with_name("setups")


@dataclass(frozen=True)
class Tree:
    """A tree of this machine, and what its commands find beside it.

    `folder` holds `workspace`, `home` and `tmp`. They belong to `uid`, and commands run as it; it
    is None where this process is not root. `base_objects` appears read-only at `/base.git/objects`.
    The folder of an `outlet`, which set-up alone has, appears read-only at `/run/setup`. An `image`
    stands in for the backend's own.
    """

    folder: Path
    base_objects: Path | None = None
    uid: int | None = None
    outlet: Outlet | None = None
    image: str = ""


class Backend(Protocol[Tree_contra]):
    """Runs commands on trees. A tree is a `Tree` here; elsewhere it is the container that has it.

    Made of `BackendOptions`; that blocks, and raises SandboxUnavailable where what it needs is not
    there.
    """

    @property
    def name(self) -> str:
        """As CODING_AGENT_SANDBOX names it."""
        ...

    @property
    def limits(self) -> Limits:
        """Limits of one command, and of the tree's size."""
        ...

    @property
    def toolchain(self) -> str:
        """What a set-up's result depends on beside the repository and the commands."""
        ...

    def attach(self, tree: Tree_contra) -> Sandbox:
        """A sandbox on a tree; nothing is started. Blocks. Raises SandboxError."""
        ...

    def limited(self, limits: Limits) -> "Backend[Tree_contra]":
        """The same backend with other limits of commands."""
        ...

    async def prepare(self) -> None:
        """Clear what dead services left. Raises SandboxUnavailable: it cannot be reached."""
        ...

    def describe(self) -> TrialResult:
        """Which program and version it is, and whether that will do. Blocks."""
        ...
