"""Set-up on Modal: run once in a Sandbox of its own, what it left kept as an image for others.

That Sandbox alone reaches named hosts. What was made from an untouched base is shared by all runs.
"""

import asyncio
import secrets
from dataclasses import replace

from graph import Environment, RunFolder
from graph.errors import SandboxError, SandboxUnavailable, SetupFailed
from graph.files import digest
from sandbox.backends.base.backend import BackendOptions
from sandbox.backends.container.send_base import ensure_base, make_empty_tree, put_base
from sandbox.backends.modal.backend import Modal
from sandbox.backends.modal.client import ImageGone, SetupImage
from sandbox.backends.modal.sandbox import ModalSandbox
from sandbox.backends.modal.search_files import container_time, search_files
from sandbox.core.metrics import CommandMetrics, MeteredSandbox
from sandbox.core.protocol import SetUpReport, TreeSpec
from sandbox.egress.allowlist import SetupHost
from sandbox.egress.image_sources import resolve_in_image
from sandbox.egress.suggest_hosts import AUTO, PackageSources
from sandbox.setup.cache_key import key_of_run, results_of, setup_key
from sandbox.setup.invalidation import has_scripts, needs_own
from sandbox.setup.pull_ground import is_offline, load_ground, may_do_without
from sandbox.setup.recipe_layer import recipe_alone, rules_of
from sandbox.setup.refused_hosts import refused_report
from sandbox.setup.run_commands import read_report, run_set_up
from sandbox.setup.secrets import SetupSecrets
from sandbox.tree.checkout import fill

_SEARCHED_TIMES_DISK = 2
_TRIES = 3
# What git tracks, and git's own folder, are each tree's own; what was downloaded is installed.
_LEAVE_REST = """\
set -e -o pipefail
git ls-files -z | xargs -0 -r rm -f --
rm -rf .git ~/.cache/pip ~/.cache/uv ~/.npm/_cacache
"""


class ModalSetUp:
    """The set-ups of one app."""

    def __init__(self, backend: Modal, metrics: CommandMetrics) -> None:
        self._backend = backend
        self._client = backend.client
        self._said: PackageSources | None = None
        self._metrics = metrics
        self._most_searched = _SEARCHED_TIMES_DISK * (backend.limits.disk_mb << 20)

    async def make(self, run_id: str, run: RunFolder, spec: TreeSpec) -> SetUpReport | None:
        """Of the untouched base; None where what it said was not kept."""
        rules = rules_of(spec)
        sources = await self._find_sources(run_id, spec)
        kept = await self._client.get_setup_image(self._key(spec, b"", rules, sources))
        made = kept or await self._get_or_make(run_id, run, spec, b"", rules)
        return None if made.report is None else SetUpReport(made.report, kept is not None)

    async def names(self, run_id: str, spec: TreeSpec) -> list[str]:
        """The hosts that set-up reaches. Raises SandboxError."""
        return [host.name for host in _hosts(await self._find_sources(run_id, spec))]

    async def _find_sources(self, run_id: str, spec: TreeSpec) -> PackageSources:
        """What is named; for `auto` what the operator's image says, asked once a day.

        An image that a repository names has no say in what is reached.
        """
        named, image = self._backend.setup_hosts, self._backend.toolchain
        if AUTO not in named:
            return PackageSources(named)
        if self._said is None:
            self._said = await self._client.get_sources(image)
        if self._said is None:
            self._said = await self._ask(run_id, spec)
            await self._client.put_sources(image, self._said)
        names = (*(name for name in named if name != AUTO), *self._said.hosts)
        return PackageSources(tuple(dict.fromkeys(names)), self._said.variables)

    async def _ask(self, run_id: str, spec: TreeSpec) -> PackageSources:
        """What the image's package managers say in a Sandbox of its own, without a network."""
        tree = f"ask-{secrets.token_hex(4)}"
        tags = {"run": run_id, "tree": tree}
        container = await self._client.make(tree, tags, emit=spec.emit)
        if container is None:
            raise SandboxUnavailable(f"There is a Sandbox {tree} already.")
        try:
            sandbox = self._backend.attach(container)
            await make_empty_tree(sandbox, self._backend.limits)
            return await resolve_in_image(sandbox, (AUTO,))
        finally:
            await asyncio.shield(container.end())

    async def find(self, run_id: str, run: RunFolder, spec: TreeSpec, patch: bytes) -> SetupImage:
        """What a tree's Sandbox begins with, made now or before. Raises SandboxError."""
        touched = await asyncio.to_thread(load_ground, run, spec.base) + patch
        rules = rules_of(spec)
        trusted = replace(spec, base=spec.base.trusted_base)
        if touched and needs_own(spec.environment, touched):
            if rules and needs_own(rules.environment, touched):
                rules = None
            return await self._make_own(run_id, run, spec, patch, rules)
        shared = await self._get_or_make(run_id, run, trusted, b"", rules)
        if touched and shared.runs_scripts:
            return await self._make_own(run_id, run, spec, patch, None)
        return shared

    async def _make_own(
        self, run_id: str, run: RunFolder, spec: TreeSpec, patch: bytes, rules: TreeSpec | None
    ) -> SetupImage:
        """The set-up for this tree's files."""
        trusted = replace(spec, base=spec.base.trusted_base, change=None)
        if is_offline(spec.base):
            rules = trusted
        try:
            return await self._get_or_make(run_id, run, spec, patch, rules)
        except SetupFailed:
            if not may_do_without(spec):
                raise
            return await self._get_or_make(run_id, run, trusted, b"", rules_of(trusted))

    async def _get_or_make(
        self, run_id: str, run: RunFolder, spec: TreeSpec, patch: bytes, rules: TreeSpec | None
    ) -> SetupImage:
        """The commands of a model run on what those of `rules` left on the untouched base."""
        sources = await self._find_sources(run_id, spec)
        key = self._key(spec, patch, rules, sources)
        if spec.base.trusted:
            key = key_of_run(key, run_id)
        if kept := await self._client.get_setup_image(key):
            return kept
        container = await self._begin(key, run_id, run, spec, rules)
        try:
            bring = ensure_base if rules else put_base
            sandbox = self._backend.attach(container)
            await bring(sandbox, run.git_of(spec.base), self._backend.limits)
            layered = rules and not is_offline(spec.base)
            commands = recipe_alone(spec).environment if layered else spec.environment
            scripts, report = await self._run(container, run, spec, patch, commands, sources)
            kept = SetupImage(key, await container.snapshot(), scripts, report)
        finally:
            await asyncio.shield(container.end())
        if not self._secrets_of(spec, patch).missing:  # else others would get what lacks them
            await self._client.put_setup_image(kept)
        return kept

    async def _begin(
        self, key: str, run_id: str, run: RunFolder, spec: TreeSpec, rules: TreeSpec | None
    ) -> ModalSandbox:
        """A new Sandbox that reaches the hosts; with `rules` it begins with what they left."""
        tree, image = f"setup-{secrets.token_hex(4)}", spec.environment.image
        name, tags = f"{key[:24]}-{tree}", {"run": run_id, "tree": tree}
        hosts = [] if is_offline(spec.base) else await self.names(run_id, spec)
        below = rules_of(rules) if rules else None
        for _ in range(_TRIES):
            first = await self._get_or_make(run_id, run, rules, b"", below) if rules else None
            try:
                container = await self._client.make(
                    name, tags, kept=first, image=image, hosts=hosts, emit=spec.emit
                )
            except ImageGone as gone:
                await self._client.delete_setup_image(gone.kept)
                continue
            if container is None:
                raise SandboxUnavailable(f"There is a Sandbox {name} already.")
            return container
        raise SandboxUnavailable("What set-up left is removed again and again.")

    def _secrets_of(self, spec: TreeSpec, patch: bytes) -> SetupSecrets:
        """For a change that has no say in set-up it is the base's."""
        made_for = spec if patch else replace(spec, change=None)
        return SetupSecrets.of(made_for, self._backend.options.setup_secrets)

    def _key(
        self, spec: TreeSpec, patch: bytes, rules: TreeSpec | None, sources: PackageSources
    ) -> str:
        named = self._secrets_of(spec, patch)
        first = [self._key(rules, b"", None, sources)] if rules else []
        indexes = [f"{name}={value}" for name, value in sorted(sources.variables.items())]
        return setup_key(
            spec.base,
            digest(patch) if patch else "",
            spec.environment,
            toolchain=[
                self._backend.toolchain,
                *sorted((*named.values, *named.missing)),
                *indexes,
                *first,
            ],
            hosts=_hosts(sources),
        )

    async def _run(
        self,
        container: ModalSandbox,
        run: RunFolder,
        spec: TreeSpec,
        patch: bytes,
        commands: Environment,
        sources: PackageSources,
    ) -> tuple[bool, bytes]:
        """Run the commands in a tree of their own.

        Whether they run scripts of the repository, and what they said.
        """
        plain = self._backend.attach(container)
        sandbox = MeteredSandbox(plain, self._metrics)
        await fill(sandbox, run, replace(spec, checkout=True), patch)
        scripts = await has_scripts(sandbox, spec.setup)
        given = self._secrets_of(spec, patch)
        begun = await container_time(container) if given.values else 0
        trusted = self._backend.attach(container, {**sources.variables, **given.plain()})
        try:
            await run_set_up(MeteredSandbox(trusted, self._metrics), commands)
        except SetupFailed as error:
            raise SetupFailed(given.hide(error.message), _hint(sources), error.command) from None
        report = await read_report(sandbox, spec.environment)
        report += refused_report(spec.environment.hosts, (), _hosts(sources))
        left = await sandbox.run(_LEAVE_REST)
        if left.exit_code != 0:
            raise SandboxError(f"What set-up made cannot be kept: {left.reason}")
        if given.values:
            await search_files(container, begun, given, most_bytes=self._most_searched)
        return scripts, report


def _hosts(sources: PackageSources) -> tuple[SetupHost, ...]:
    return tuple(map(SetupHost.parse, sources.hosts))


def _hint(sources: PackageSources) -> str:
    reach = (
        "reach the hosts of CODING_AGENT_SETUP_HOSTS alone" if sources.hosts else "have no network"
    )
    return f"Fix the command. Set-up commands run in the sandbox and {reach}."


async def forget_set_ups(options: BackendOptions, repo: str) -> bool:
    """Remove what set-ups of a repository left on Modal; whether there was anything."""
    return await Modal(options).client.forget_set_ups(results_of(repo))
