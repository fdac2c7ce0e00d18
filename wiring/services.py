"""The graph's services and roles, made in one place for one machine and for Modal alike.

What is slow to import is imported when it is made.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forge.base import KeptBases
from forge.core import Forge
from graph import (
    ROLE_NAMES,
    EnvironmentRecords,
    Preparation,
    Publisher,
    Repositories,
    RoleName,
    RoleTask,
    Services,
    Workspaces,
)
from sandbox import Sandboxes
from wiring.configuration import Configuration
from wiring.settings import Settings

if TYPE_CHECKING:
    from forge.secret_scan import SecretCatalogue
    from roles import ClaudeRole
    from roles.claude import Claude
    from roles.worktree import WriteFence


def make_role(
    configuration: Configuration,
    name: RoleName,
    *,
    claude: "Claude",
    sandboxes: Sandboxes,
    runs: Path,
    fences: "Callable[[RoleTask], WriteFence] | None" = None,
    records: EnvironmentRecords | None = None,
) -> "ClaudeRole":
    """A role that is played in this process; `runs` is the folder of all runs."""
    from roles import ROLES

    settings = configuration.settings
    models, efforts = settings.role_models, settings.role_efforts
    return ROLES[name](
        claude=claude,
        sandboxes=sandboxes,
        runs=runs,
        model=models[name],
        effort=efforts[name],
        coder_differs=(models[name], efforts[name]) != (models["coder"], efforts["coder"]),
        command_timeout_s=settings.command_timeout_s,
        fences=fences,
        records=records,
    )


def make_services(
    configuration: Configuration,
    *,
    role: Callable[[RoleName], Any],
    runs: Path,
    sandboxes: Sandboxes,
    workspaces: Workspaces,
    forge: Forge,
    networked: bool,
    records: EnvironmentRecords,
    kept_bases: KeptBases | None = None,
    secrets: "SecretCatalogue | None" = None,
    baselines: Path | None = None,
    allow_local: bool = False,
    make_last: Callable[[], Awaitable[None]] | None = None,
) -> Services:
    """All services; `role` gives each role, which is played here or elsewhere.

    `networked`: set-up reaches hosts. `baselines` is a folder that later runs see. `kept_bases` and
    `allow_local` (checkouts as repositories) go with a disk of one's own; without one `make_last`
    makes what is in a run's folder outlast this machine.
    """
    from forge.receipt import CheckProgress
    from sandbox.checks import KeptResults, SandboxChecks
    from sandbox.environments import SandboxEnvironments

    settings = configuration.settings
    common: dict[str, Any] = {"runs": runs, "forge": forge, "kept": kept_bases}
    kept = KeptResults(baselines, timeout_s=settings.command_timeout_s) if baselines else None
    checks = SandboxChecks(runs=runs, sandboxes=sandboxes, kept=kept)
    hosts = settings.hosts_of_setup if networked else ()
    environments = SandboxEnvironments(
        sandboxes=sandboxes, hosts=hosts, timeout_s=settings.setup_timeout_s
    )
    reach = _reach_of(settings) if networked else None
    roles: dict[str, Any] = {
        name: role(name) for name in ROLE_NAMES if networked or name != "setup"
    }
    return Services(
        **roles,
        repositories=_make_repositories(settings, allow_local=allow_local, **common),
        workspaces=workspaces,
        preparation=Preparation(environments, checks, records, recipes_for=reach),
        checks=checks,
        publisher=_make_publisher(configuration, make_last=make_last, catalogue=secrets, **common),
        progress=CheckProgress(runs, forge),
    )


def _make_repositories(settings: Settings, **options: Any) -> Repositories:
    from forge.base import GitRepositories

    return GitRepositories(
        allowed=settings.repo_allowed, largest_mb=settings.command_disk_mb, **options
    )


def _make_publisher(configuration: Configuration, **options: Any) -> Publisher:
    from forge.publish import ForgePublisher

    settings = configuration.settings
    return ForgePublisher(
        author=settings.git_author,
        forks=settings.fork == "public",
        branch_prefix=settings.branch_prefix,
        any_branch=settings.any_branch,
        key=configuration.signing_key,
        sign_off=settings.signoff or "",
        models={str(role): model for role, model in settings.role_models.items()},
        version=configuration.version,
        **options,
    )


def _reach_of(settings: Settings) -> str:
    """What a set-up turn can find things with: where that changes, it is worth another."""
    return "\n".join(
        (*settings.hosts_of_setup, "", settings.sandbox_image, *map(str, settings.tool_paths))
    )
