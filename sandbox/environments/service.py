"""The environment of a base: its commands are found, run, and what they leave is kept."""

import asyncio
import time
from dataclasses import dataclass, replace

from graph import (
    Base,
    Emit,
    Environment,
    EnvironmentCommand,
    Environments,
    FolderCommand,
    LeftOut,
    commands_of,
    unheard,
)
from graph.errors import SetupFailed
from sandbox.core.protocol import Sandboxes, TreeSpec
from sandbox.discovery.find_setup import (
    NOTHING_TO_SET_UP,
    SetupPlan,
    plan_setup,
    versions_asked_for,
)
from sandbox.discovery.read_repository import read_repository
from sandbox.discovery.repository_config import RepositoryConfig, config_of
from sandbox.ecosystems.asked_versions import AskedVersion, unmet
from sandbox.ecosystems.install_script import parse_report
from sandbox.environments.images import take_image
from sandbox.setup.inputs import BaseFiles, environment_key, list_files
from sandbox.setup.refused_hosts import refused_in
from sandbox.setup.run_commands import read_report
from sandbox.setup.tool_versions import read_versions, versions_by_folder, versions_in
from sandbox.setup.withheld import is_withheld
from sandbox.tree.run_folder import set_up_tree


@dataclass(frozen=True)
class _Found:
    """What is known of a base before it is set up.

    `asked` is what caller and repository say, `versions` a report of the tools that are there where
    nothing is set up.
    """

    files: BaseFiles
    plan: SetupPlan
    config: RepositoryConfig
    asked: Environment
    versions: bytes
    wanted: tuple[AskedVersion, ...] = ()


class SandboxEnvironments(Environments):
    """Makes environments in trees of their own, which are gone when it returns.

    Set-up reaches `hosts`; where there are none, what lock files name cannot be installed.
    """

    def __init__(
        self, *, sandboxes: Sandboxes, hosts: tuple[str, ...], timeout_s: float = 900
    ) -> None:
        """`timeout_s`: of one set-up; the run's deadline may come before."""
        self._timeout_s = timeout_s
        self._sandboxes = sandboxes
        self._hosts = hosts

    async def prepare(
        self, run_id: str, base: Base, setup: tuple[str, ...], deadline: float, emit: Emit = unheard
    ) -> Environment:
        seconds = min(self._timeout_s, deadline - time.time())
        name, trusted = set_up_tree(base.moved), base.trusted_base
        tree = TreeSpec(name=name, base=trusted, checkout=False, emit=emit)
        found: _Found | None = None
        try:
            async with asyncio.timeout(seconds) as clock:
                found = await self._find(run_id, tree, setup)
                made = await self._set_up(run_id, tree, found)
                return made.model_copy(update={"fixed": is_withheld(base, self._hosts)})
        except TimeoutError:
            if not clock.expired():
                raise
        if setup:
            raise _stopped(seconds)
        left = LeftOut(what="set-up", why=_stopped(seconds).message)
        nothing = Environment(left_out=(left,))
        return found.config.declare(nothing) if found else nothing

    async def extend(
        self,
        run_id: str,
        base: Base,
        environment: Environment,
        commands: tuple[FolderCommand, ...],
        deadline: float,
        emit: Emit = unheard,
    ) -> Environment:
        seconds = min(self._timeout_s, deadline - time.time())
        name, trusted = f"recipe-{base.moved}", base.trusted_base
        tree = TreeSpec(name=name, base=trusted, checkout=False, emit=emit)
        try:
            async with asyncio.timeout(seconds) as clock:
                extended = _extended(environment, commands)
                key = await self._key_of(run_id, tree, extended)
                known = extended.model_copy(update={"key": key})
                _, made = await self._make(run_id, tree, known)
                return made
        except TimeoutError:
            if not clock.expired():
                raise
        raise _stopped(seconds)

    async def _set_up(self, run_id: str, tree: TreeSpec, found: _Found) -> Environment:
        if found.asked.commands:
            said, made = await self._make(run_id, tree, found.asked)
        else:
            said, made = await self._try(run_id, tree, found)
        left_out = (*made.left_out, *unmet(found.wanted, made.tools, versions_by_folder(said)))
        return made.model_copy(update={"left_out": left_out})

    async def _find(self, run_id: str, tree: TreeSpec, setup: tuple[str, ...]) -> _Found:
        """What is to be set up, read in a tree that is gone when it returns."""
        try:
            sandbox = await self._sandboxes.open(run_id, tree)
            repository = await read_repository(sandbox, tree.base)
            files = await list_files(sandbox)
            plan = await asyncio.to_thread(plan_setup, repository, tree.base.version)
            config = await asyncio.to_thread(config_of, repository)
            config = await take_image(self._sandboxes, run_id, tree, config)
            asked = config.declare(plan.alike(_asked(config, setup)))
            key = await environment_key(sandbox, files, asked)
            if not self._hosts:
                plan = NOTHING_TO_SET_UP
            made = asked.commands or plan.steps
            versions = b"" if made else await read_versions(sandbox, asked)
        finally:
            await self._sandboxes.discard(run_id, tree.name)
        asked = asked.model_copy(update={"key": key})
        wanted = await asyncio.to_thread(versions_asked_for, repository)
        return _Found(files, plan, config, asked, versions, wanted)

    async def _try(self, run_id: str, tree: TreeSpec, found: _Found) -> tuple[bytes, Environment]:
        """What can be had of a plan that nobody asked for; the rest is left out, with its reason.

        With what set-up said.

        What was made is kept, so that later trees do not wait for it again.
        """
        plan, files = found.plan, found.files
        while plan.steps:
            planned = found.config.declare(plan.environment)
            known = {"key": await asyncio.to_thread(files.key, planned)}
            try:
                said, made = await self._make(run_id, tree, planned.model_copy(update=known))
            except SetupFailed as error:
                plan = plan.without(error.command, error.message)
            else:
                ended = found.config.declare(plan.ended(parse_report(said)))
                left = (*ended.left_out, *refused_in(said))
                of_tree = {"kept": made.kept, "tools": made.tools, "left_out": left}
                return said, ended.model_copy(update={**known, **of_tree})
        nothing = found.config.declare(plan.environment)
        known = {"key": await asyncio.to_thread(files.key, nothing)}
        tools = versions_in(found.versions)
        return found.versions, nothing.model_copy(update={**known, "tools": tools})

    async def _key_of(self, run_id: str, tree: TreeSpec, environment: Environment) -> str:
        try:
            sandbox = await self._sandboxes.open(run_id, tree)
            return await environment_key(sandbox, await list_files(sandbox), environment)
        finally:
            await self._sandboxes.discard(run_id, tree.name)

    async def _make(
        self, run_id: str, tree: TreeSpec, environment: Environment
    ) -> tuple[bytes, Environment]:
        """What set-up said, and the environment it made.

        Raises SetupFailed.
        """
        spec = replace(tree, checkout=True, environment=environment)
        made = await self._sandboxes.set_up(run_id, spec)
        report = made.said if made else await self._read_report(run_id, spec)
        left = (*environment.left_out, *refused_in(report))
        of_tree = {"kept": made is not None and made.kept, "tools": versions_in(report)}
        return report, environment.model_copy(update={**of_tree, "left_out": left})

    async def _read_report(self, run_id: str, spec: TreeSpec) -> bytes:
        """What set-up says in a tree of its own."""
        try:
            return await read_report(await self._sandboxes.open(run_id, spec), spec.environment)
        finally:
            await self._sandboxes.discard(run_id, spec.name)


def _stopped(seconds: float) -> SetupFailed:
    return SetupFailed(
        f"Set-up was stopped after {seconds:.0f} s (CODING_AGENT_SETUP_TIMEOUT_S).",
        "Raise the limit, or let the commands do less.",
    )


def _extended(environment: Environment, commands: tuple[FolderCommand, ...]) -> Environment:
    """The environment with commands of a model after its own."""
    found = tuple(
        EnvironmentCommand(command=each.command, folder=each.folder, source="model")
        for each in commands
    )
    return environment.model_copy(
        update={
            "commands": (*environment.commands, *found),
            "key": "",
            "key_of_rules": environment.key,
        }
    )


def _asked(config: RepositoryConfig, setup: tuple[str, ...]) -> tuple[EnvironmentCommand, ...]:
    """What the caller asks for, then what the repository says itself."""
    own = config.setup or ()
    return tuple(
        EnvironmentCommand(command=made.command, folder=made.folder, source=source)
        for source, texts in (("caller", setup), ("repository", own))
        for made in commands_of(texts)
    )
