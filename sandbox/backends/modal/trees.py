"""Trees of sandboxes that live on Modal: made, found again, ended."""

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

from graph import RunFolder
from graph.errors import SandboxError, SandboxLost
from graph.files import load_change
from sandbox.backends.base.open_trees import OpenTrees, check_tree_name
from sandbox.backends.container.send_base import ensure_base, put_base
from sandbox.backends.modal.autosaved_tree import AutosavedTree, restored_message
from sandbox.backends.modal.backend import Modal
from sandbox.backends.modal.client import TAG_CREATED, TAG_STATE, ImageGone
from sandbox.backends.modal.kept_bases import WORTH_BYTES, KeptBases, name_base
from sandbox.backends.modal.sandbox import ModalSandbox
from sandbox.backends.modal.setup import ModalSetUp
from sandbox.backends.modal.spares import (
    FILLING,
    SPARE,
    Beginning,
    IsWanted,
    SpareSandboxes,
    Wanted,
)
from sandbox.core.metrics import CommandMetrics, MeteredSandbox
from sandbox.core.protocol import Sandbox, SetUpReport, TreeSpec
from sandbox.tree.checkout import apply_change, check_out, fill
from sandbox.tree.run_folder import live_tree

log = logging.getLogger(__name__)

_UNFILLED, _READY = "unfilled", "ready"
_TAG_KEPT = "kept"
"""When a run left its tree for whoever resumes it."""

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_LONGEST_NAME = 63
_TRIES = 3
_PAUSE_S = 0.2
_FILLED_S = 30.0
"""By then the base is in a Sandbox that is made ahead, or its maker is no more."""


class ModalSandboxes(OpenTrees):
    """Keeps each tree in a Sandbox of its own, named after run and tree."""

    def __init__(
        self,
        *,
        runs: Path,
        backend: Modal,
        metrics: CommandMetrics | None = None,
        worth_bytes: int = WORTH_BYTES,
        is_wanted: IsWanted | None = None,
        begun_elsewhere: Collection[str] = (),
    ) -> None:
        """`worth_bytes`: bases whose objects take less are sent to each tree.

        `is_wanted` is asked of a run that others may end, once a Sandbox is made ahead for it.
        `begun_elsewhere` are trees whose Sandboxes another process makes ahead.
        """
        super().__init__()
        self._runs = runs
        self._backend = backend
        self._client = backend.client
        self._metrics = metrics or CommandMetrics()
        self._set_up = ModalSetUp(backend, self._metrics)
        self._spares = SpareSandboxes(backend.client, is_wanted)
        self._begun_elsewhere = begun_elsewhere
        self._bases = KeptBases(backend.client, backend.toolchain, worth_bytes)

    def begin(self, run_id: str, name: str, spec: TreeSpec | None = None) -> None:
        run = RunFolder.of(self._runs, run_id)

        async def find() -> Beginning:
            return await self._find_beginning(run_id, run, spec, b"") if spec else Beginning()

        async def fill_in(container: ModalSandbox, begins: Beginning) -> None:
            assert spec
            copied = begins.base is not None
            await self._fill(container, run, spec, b"", copied=copied)
            if name == live_tree(spec.base) and not copied:  # it is made while the planner works
                await self._bases.keep(container, run, spec, begins.set_up)

        holds = name_base(spec) if spec else ""
        elsewhere = name in self._begun_elsewhere
        wanted = Wanted(sandbox_name(run_id, name), run_id, name, find, fill_in, holds, elsewhere)
        self._spares.begin(wanted)

    async def set_up(self, run_id: str, spec: TreeSpec) -> SetUpReport | None:
        return await self._set_up.make(run_id, RunFolder.of(self._runs, run_id), spec)

    async def take_image(self, image: str) -> str:
        self._backend.options.check_image(image)
        return image

    async def _open_or_make(self, run_id: str, spec: TreeSpec) -> Sandbox:
        sandbox, _ = await self._find_or_make(run_id, spec)
        return AutosavedTree(
            sandbox, partial(self._reopen, run_id, spec), base=spec.base, saved=spec.saved
        )

    async def _remove(self, run_id: str, name: str) -> None:
        await self._spares.wait(sandbox_name(run_id, name))
        if container := await self._client.find(sandbox_name(run_id, name)):
            await container.end()

    async def _remove_all(self, run_id: str, keep: tuple[str, ...]) -> None:
        """Those that may be kept, too, where it is not asked for: one that waits is paid for.

        A tree that is wanted again is made again, from the newest change.
        """
        await self._spares.end(run_id)
        for container in await self._client.tagged({"run": run_id}):
            if not (
                keep and self._backend.options.keeps_live and await self._kept(container, keep)
            ):
                await container.end()

    async def _kept(self, container: ModalSandbox, keep: tuple[str, ...]) -> bool:
        """Whether one stays as it is for a while; nothing runs in it any more then."""
        try:
            tags = await container.tags()
            if tags.get("tree") not in keep or tags.get(TAG_STATE) != _READY:
                return False
            age_s = time.time() - int(tags.get(TAG_CREATED, "0"))
            if age_s > self._backend.options.lifetime_s / 2:  # it would end under a resumed run
                return False
            if not await self._backend.attach(container).kill_all():
                return False
            await container.mark({**tags, _TAG_KEPT: str(int(time.time()))})
        except SandboxError as error:
            log.info("a Sandbox is not kept: %s", error.message)
            return False
        return True

    async def end_orphans(self, active: Collection[str], *, older_than_s: float) -> list[str]:
        """End what runs that are not active left behind; the ids of those runs."""
        ended = []
        for container in await self._client.tagged({}):
            tags = await container.tags()
            run_id = tags.get("run")
            used = max(int(tags.get(tag, "0")) for tag in (TAG_CREATED, _TAG_KEPT))
            if TAG_STATE not in tags or run_id is None or run_id in active:
                continue
            if time.time() - used > older_than_s:
                await container.end()
                ended.append(run_id)
        return ended

    async def _find_or_make(self, run_id: str, spec: TreeSpec) -> tuple[Sandbox, str]:
        """The tree, and what is to be said of one that was made now."""
        name = sandbox_name(run_id, spec.name)
        await self._spares.wait(name)
        found, state = await self._find(name)
        if found and state != SPARE:
            sandbox = self._attach(found)
            if spec.checkout and state == _UNFILLED:
                await check_out(sandbox)
                await _mark(found, _READY)
            if spec.saved:
                spec.saved.opened(found.id)
            return sandbox, ""
        container, holds = await self._make(run_id, spec, name, found)
        if spec.saved:
            spec.saved.opened(container.id, holds)
        return self._attach(container), holds

    def _attach(self, container: ModalSandbox) -> Sandbox:
        return MeteredSandbox(self._backend.attach(container), self._metrics)

    async def _reopen(self, run_id: str, spec: TreeSpec) -> tuple[Sandbox, str]:
        """The tree after a loss: as it is where only the way to it was lost."""
        container, state = await self._find(sandbox_name(run_id, spec.name))
        if container and state != SPARE and not await self._backend.attach(container).kill_all():
            await container.end()
        sandbox, holds = await self._find_or_make(run_id, spec)
        return sandbox, holds or "Its tree is as it was, but nothing runs in it any more."

    async def _find(self, name: str) -> tuple[ModalSandbox | None, str]:
        """The tree of that name and its state; one that was left half made is ended.

        One that is filled ahead, by another process, is waited for.
        """
        container = await self._client.find(name)
        if container is None:
            return None, ""
        tags = await container.tags()
        while tags.get(TAG_STATE) == FILLING and _is_young(tags):
            await asyncio.sleep(_PAUSE_S)
            tags = await container.tags()
        state = tags.get(TAG_STATE, "")
        if state in {_UNFILLED, _READY, SPARE}:
            return container, state
        await container.end()
        return None, ""

    async def _make(
        self, run_id: str, spec: TreeSpec, name: str, spare: ModalSandbox | None
    ) -> tuple[ModalSandbox, str]:
        """A new tree, and what it holds; made again where its Sandbox goes away meanwhile."""
        patch, holds = await self._change(run_id, spec)
        run = RunFolder.of(self._runs, run_id)
        tags = {"run": run_id, "tree": spec.name}
        lost = SandboxLost(f"the sandbox {name} is made by others again and again")
        for _ in range(_TRIES):
            begins = await self._find_beginning(run_id, run, spec, patch)
            hosts = await self._set_up.names(run_id, spec) if spec.reaches_hosts else ()
            is_filled = None
            if spare:
                serve = () if hosts else begins.names
                is_filled = await self._spares.take(spare, serve, name_base(spec))
            container = None if is_filled is None else spare
            copied = container is None and begins.base is not None
            spare = None
            try:
                if container is None:
                    kept, image = begins.snapshot, begins.image
                    container = await self._client.make(
                        name, tags, kept=kept, image=image, hosts=hosts, emit=spec.emit
                    )
            except ImageGone as gone:
                await self._client.delete_setup_image(gone.kept)
                continue
            if container is None:
                found, state = await self._find(name)
                if found and state != SPARE:
                    return found, ""
                spare = found
                continue
            try:
                await self._make_ready(
                    container, run, spec, patch, begins, has_base=is_filled is True, copied=copied
                )
            except SandboxLost as error:
                lost = error
            else:
                return container, holds
        raise lost

    async def _make_ready(
        self,
        container: ModalSandbox,
        run: RunFolder,
        spec: TreeSpec,
        patch: bytes,
        begins: Beginning,
        *,
        has_base: bool,
        copied: bool,
    ) -> None:
        """Fill a new one, and say so; it is ended where that fails."""
        try:
            await self._fill(container, run, spec, patch, has_base=has_base, copied=copied)
            is_unhurried = spec.weight < 1  # its commands give way to others anyway
            if is_unhurried and not patch and not copied:
                await self._bases.keep(container, run, spec, begins.set_up)
            await _mark(container, _READY if spec.checkout else _UNFILLED)
        except BaseException:
            await asyncio.shield(container.end())
            raise

    async def _find_beginning(
        self, run_id: str, run: RunFolder, spec: TreeSpec, patch: bytes
    ) -> Beginning:
        set_up = await self._set_up.find(run_id, run, spec, patch) if spec.setup else None
        base = await self._bases.find(run, spec, set_up)
        return Beginning(spec.environment.image, set_up, base)

    async def _change(self, run_id: str, spec: TreeSpec) -> tuple[bytes, str]:
        """The newest change that is known of the tree, and what to say of it."""
        if spec.saved and (newest := await spec.saved.newest()):
            patch, at = newest
            return patch, restored_message(at)
        if spec.change is None:
            return b"", "Its tree was made again from the base."
        patch = await asyncio.to_thread(load_change, RunFolder.of(self._runs, run_id), spec.change)
        return patch, "Its tree was made again as it was when you were asked."

    async def _fill(
        self,
        container: ModalSandbox,
        run: RunFolder,
        spec: TreeSpec,
        patch: bytes,
        *,
        has_base: bool = False,
        copied: bool = False,
    ) -> None:
        """Make the tree inside; what set-up left has the objects of its own base.

        It `has_base` where that was checked out there, and was `copied` where it was elsewhere.
        """
        sandbox = self._backend.attach(container)
        try:
            if has_base or copied:
                metered = MeteredSandbox(sandbox, self._metrics)
                await apply_change(metered, patch, copied=copied)
                return
            bring = ensure_base if spec.setup else put_base
            await bring(sandbox, run.git_of(spec.base), self._backend.limits)
            await fill(MeteredSandbox(sandbox, self._metrics), run, spec, patch)
        finally:
            await sandbox.close()


def _is_young(tags: Mapping[str, str]) -> bool:
    """Whether who makes a Sandbox may still be at it; clocks of machines differ a little."""
    return time.time() - int(tags.get(TAG_CREATED, "0")) < _FILLED_S


async def _mark(container: ModalSandbox, state: str) -> None:
    await container.mark({**await container.tags(), TAG_STATE: state})


def sandbox_name(run_id: str, tree: str) -> str:
    """The name of a tree's Sandbox: of a run's id that no Sandbox can have, a digest stands."""
    name = f"{run_id}-{check_tree_name(tree)}"
    if _RUN_ID.fullmatch(run_id) and len(name) <= _LONGEST_NAME:
        return name
    return f"{hashlib.sha256(run_id.encode()).hexdigest()[:24]}-{tree}"[:_LONGEST_NAME]
