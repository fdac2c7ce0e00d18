"""Set-up that may reach named hosts: run once in a tree of its own, its result put into others."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from graph import Environment, RunFolder
from graph.errors import SandboxError, SetupFailed
from graph.files import write_whole
from sandbox.backends.base.backend import Tree
from sandbox.backends.base.local_backend import LocalBackend
from sandbox.core.forwarding import ForwardingSandbox
from sandbox.core.metrics import CommandMetrics, MeteredSandbox
from sandbox.core.protocol import Sandbox, SetUpReport, TreeSpec
from sandbox.ecosystems.javascript_install import PNPM_STORE
from sandbox.egress.connect_proxy import ProxyLimits, SetupProxy
from sandbox.egress.forwarder import Outlet, environment
from sandbox.setup.archive_cache import REPORT_SUFFIX, is_fresh, keep, tidy
from sandbox.setup.cache_key import commit_key, setup_key
from sandbox.setup.invalidation import has_scripts, needs_own, touches_read
from sandbox.setup.pull_ground import is_offline, load_ground, may_do_without
from sandbox.setup.recipe_layer import recipe_alone, rules_of
from sandbox.setup.refused_hosts import refused_report
from sandbox.setup.run_commands import read_report, run_set_up
from sandbox.setup.secrets import RepoSecrets, SetupSecrets
from sandbox.setup.sources import SetupSources
from sandbox.setup.unpacked import put_into, unpack
from sandbox.tree.checkout import fill, new_folders

_KEPT_TIMES_DISK = 10
NOTHING: RepoSecrets = {}

# What git does not track, home and /tmp, without what was downloaded to be installed; tracked
# files and `.git` are each tree's own.
_DOWNLOADS = (
    *("home/agent/.cache/pip", "home/agent/.cache/uv", "home/agent/.npm/_cacache"),
    *("home/agent/.cache/pnpm", "home/agent/.local/share/pnpm/store", "home/agent/.cache/yarn"),
    *("home/agent/.bun/install/cache", "tmp/node-compile-cache"),
)
_PACK = f"""\
set -e -o pipefail
export LC_ALL=C
{{ printf 'home/agent\\0tmp\\0'
  git ls-files -z --others --directory | sed -z -e '/^[.]{PNPM_STORE[1:]}\\/$/d' \\
    -e 's|^|workspace/|'
}} | tar -C / {" ".join(f"--exclude={path}" for path in _DOWNLOADS)} \\
  --null --verbatim-files-from --files-from=- -cf -
"""


class NetworkedSetUp:
    """Set-ups of this machine. Results of untouched bases are shared by runs, others are not."""

    def __init__(
        self,
        *,
        backend: LocalBackend,
        hosts: tuple[str, ...],
        shared: Path,
        metrics: CommandMetrics,
        secrets: RepoSecrets = NOTHING,
    ) -> None:
        """`hosts` may hold `auto`: what that is, is asked when something is to be set up.

        `secrets` reach set-up of their repository's untouched base.
        """
        self._backend = backend
        self._sources = SetupSources(backend, hosts)
        self._shared = shared
        self._metrics = metrics
        self._secrets = secrets
        disk = backend.limits.disk_mb << 20
        self._limits = ProxyLimits(down_bytes=2 * disk)
        self._most_bytes = _KEPT_TIMES_DISK * disk

    async def make(self, beside: Tree, run: RunFolder, spec: TreeSpec) -> SetUpReport | None:
        """Of the untouched base; None where what it said was not kept. Raises SetupFailed."""
        untouched = replace(spec, change=None)
        rules = rules_of(untouched)
        file = await self._file(self._shared, beside, untouched, rules)
        kept = await asyncio.to_thread(is_fresh, file)
        await self._keep(self._shared, beside, run, untouched, b"", rules)
        said = await asyncio.to_thread(_report_beside, file)
        return None if said is None else SetUpReport(said, kept)

    async def apply(self, tree: Tree, run: RunFolder, spec: TreeSpec, patch: bytes) -> None:
        """Put the result of the set-up into a filled tree. Raises SetupFailed."""
        sandbox = await self._backend.open(tree)
        try:
            touched = await asyncio.to_thread(load_ground, run, spec.base) + patch
            own, rules = await _alters(sandbox, spec.environment, touched), rules_of(spec)
            if spec.environment.fixed:
                own = own and not touches_read(spec.environment, touched)
            if rules and await _alters(sandbox, rules.environment, touched):
                rules = None
            kept = await (
                self._keep_own(tree, run, spec, patch, rules)
                if own
                else self._keep_shared(tree, run, spec)
            )
            await put_into(self._backend, tree, sandbox, kept)
        finally:
            await sandbox.close()

    async def _keep_own(
        self, beside: Tree, run: RunFolder, spec: TreeSpec, patch: bytes, rules: TreeSpec | None
    ) -> Path:
        """The file of a set-up for this tree's files, which only its run has."""
        try:
            return await self._keep(run.setups, beside, run, spec, patch, rules)
        except SetupFailed:
            if not may_do_without(spec):
                raise
            return await self._keep_shared(beside, run, spec)

    async def _keep_shared(self, beside: Tree, run: RunFolder, spec: TreeSpec) -> Path:
        """The file that set-up left on the untouched trusted base."""
        untouched = replace(spec, base=spec.base.trusted_base, change=None)
        rules = rules_of(untouched)
        return await self._keep(self._shared, beside, run, untouched, b"", rules)

    async def connect(self, tree: Tree) -> Sandbox:
        """An open tree whose commands reach the hosts until it is closed; they get no secrets."""
        hosts = await self._sources.hosts(tree)
        indexes = (await self._sources.find(tree)).variables
        async with AsyncExitStack() as opened:
            proxy = SetupProxy(hosts, self._limits)
            outlet = Outlet(tree.folder / "outlet", environment(hosts, indexes), {})
            await asyncio.to_thread(_make_passable, outlet.folder)
            await opened.enter_async_context(proxy.serving(outlet.folder, tree.uid))
            sandbox = await self._backend.open(replace(tree, outlet=outlet))
            return _ConnectedSandbox(sandbox, opened.pop_all())

    async def _keep(
        self,
        home: Path,
        beside: Tree,
        run: RunFolder,
        spec: TreeSpec,
        patch: bytes,
        rules: TreeSpec | None,
    ) -> Path:
        """The file that set-up leaves, made once.

        The commands of a model run on what those of `rules` left on the untouched base, which was
        searched for secrets.
        """
        file = await self._file(home, beside, spec, rules)
        first = await self._keep(self._shared, beside, run, rules, b"", None) if rules else None
        if is_offline(spec.base):
            first = await self._keep_shared(beside, run, spec)
        return await keep(file, partial(self._make, beside, run, spec, patch, first, file))

    async def _make(
        self,
        beside: Tree,
        run: RunFolder,
        spec: TreeSpec,
        patch: bytes,
        first: Path | None,
        file: Path,
        target: Path,
    ) -> None:
        """Run the commands with a network in a tree of their own, and pack what they left.

        It becomes `file`, and what they said lies beside it.
        """
        async with new_folders(beside.folder, beside.uid) as folder:
            new = replace(beside, folder=folder)
            plain = await self._backend.open(new)
            try:
                await fill(MeteredSandbox(plain, self._metrics), run, spec, patch)
                if first:
                    await unpack(plain, first)
                refused = b""
                if is_offline(spec.base):
                    await run_set_up(MeteredSandbox(plain, self._metrics), spec.environment)
                else:
                    refused = await self._run(new, recipe_alone(spec) if first else spec)
                packed = await plain.transfer(_PACK, target=target)
                await asyncio.to_thread(self._secrets_of(spec).check_archive, target)
                report = await read_report(plain, spec.environment) + refused
                await asyncio.to_thread(write_whole, file.with_suffix(REPORT_SUFFIX), report)
            finally:
                await plain.close()
        if packed.exit_code != 0:
            raise SandboxError(f"What set-up made cannot be kept: {packed.reason}")
        if self._shared.is_dir():
            await asyncio.to_thread(tidy, self._shared, self._most_bytes)

    async def _run(self, tree: Tree, spec: TreeSpec) -> bytes:
        """Run the commands; a report of hosts that they do not reach."""
        hosts = await self._sources.hosts(tree)
        indexes = (await self._sources.find(tree)).variables
        proxy = SetupProxy(hosts, self._limits)
        secrets = self._secrets_of(spec)
        outlet = Outlet(tree.folder / "outlet", environment(hosts, indexes), secrets.plain())
        await asyncio.to_thread(_make_passable, outlet.folder)
        async with proxy.serving(outlet.folder, tree.uid):
            sandbox = await self._backend.open(replace(tree, outlet=outlet))
            try:
                await run_set_up(MeteredSandbox(sandbox, self._metrics), spec.environment)
            except SetupFailed as error:
                said = secrets.hide(error.message)
                raise SetupFailed(said, secrets.hide(_hint(proxy)), error.command) from None
            finally:
                await sandbox.close()
        return refused_report(spec.environment.hosts, proxy.denied, hosts)

    def _secrets_of(self, spec: TreeSpec) -> SetupSecrets:
        return SetupSecrets.of(spec, self._secrets)

    async def _file(self, home: Path, beside: Tree, spec: TreeSpec, rules: TreeSpec | None) -> Path:
        change = spec.change.digest if spec.change else ""
        names = sorted(self._secrets_of(spec).values)
        hosts = await self._sources.hosts(beside)
        indexes = (await self._sources.find(beside)).variables
        toolchain: list[object] = [self._backend.toolchain, names, sorted(indexes.items())]
        if rules:
            toolchain.append((await self._file(home, beside, rules, None)).name)
        key = setup_key(spec.base, change, spec.environment, toolchain=toolchain, hosts=hosts)
        tools = self._backend.toolchain
        earlier = commit_key(spec.base, spec.environment, toolchain=tools, hosts=hosts)
        if not change and not names and await asyncio.to_thread(is_fresh, home / f"{earlier}.tar"):
            key = earlier
        return home / f"{key}.tar"


def _report_beside(file: Path) -> bytes | None:
    """None where it is not known what the set-up said."""
    try:
        return file.with_suffix(REPORT_SUFFIX).read_bytes()
    except FileNotFoundError:
        return None


class _ConnectedSandbox(ForwardingSandbox):
    """A sandbox that takes its way to the hosts with it."""

    def __init__(self, inner: Sandbox, opened: AsyncExitStack) -> None:
        super().__init__(inner)
        self._opened = opened

    async def close(self) -> None:
        await super().close()
        await self._opened.aclose()


async def _alters(sandbox: Sandbox, environment: Environment, patch: bytes) -> bool:
    """Whether a change can make a difference to what the environment's commands make."""
    return bool(patch) and (
        needs_own(environment, patch) or await has_scripts(sandbox, environment.setup)
    )


def _make_passable(folder: Path) -> None:
    folder.mkdir(mode=0o711, exist_ok=True)
    folder.chmod(0o711)


def _hint(proxy: SetupProxy) -> str:
    hint = (
        "Fix the command. Set-up commands run in the sandbox and reach the hosts of"
        " CODING_AGENT_SETUP_HOSTS alone."
    )
    return f"{hint} Refused: {'; '.join(proxy.denied)}." if proxy.denied else hint
