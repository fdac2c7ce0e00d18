"""Trees of sandboxes that live on Modal: made, found again, ended."""

import asyncio
import hashlib
import re
import time
from collections.abc import Collection
from functools import partial
from pathlib import Path

from graph import RunFolder
from graph.errors import SandboxLost
from sandbox.backends.container.sandbox import RemoteSandbox
from sandbox.backends.container.send_base import put_base
from sandbox.backends.modal.autosaved_tree import AutosavedTree, restored_message
from sandbox.backends.modal.client import (
    TAG_CREATED,
    TAG_STATE,
    ImageGone,
    ModalClient,
    ModalSandbox,
)
from sandbox.backends.modal.setup import ModalSetUp
from sandbox.core.metrics import CommandMetrics, MeteredSandbox
from sandbox.core.prepared_sandbox import PreparedSandbox
from sandbox.core.protocol import Sandbox, Sandboxes, TreeSpec
from sandbox.tree.checkout import check_out, fill
from sandbox.tree.run_folder import load_change

_UNFILLED, _READY = "unfilled", "ready"

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_LONGEST_NAME = 63
_TRIES = 3


class ModalSandboxes(Sandboxes):
    """Keeps each tree in a Sandbox of its own, named after run and tree."""

    def __init__(
        self,
        *,
        runs: Path,
        client: ModalClient,
        setup_hosts: tuple[str, ...] = (),
        metrics: CommandMetrics | None = None,
    ) -> None:
        self._runs = runs
        self._client = client
        self._metrics = metrics or CommandMetrics()
        self._set_up = ModalSetUp(client, hosts=setup_hosts, metrics=self._metrics)
        self._open: dict[tuple[str, str], list[Sandbox]] = {}

    async def open(self, run_id: str, spec: TreeSpec) -> Sandbox:
        sandbox, _ = await self._opened(run_id, spec)
        tree = AutosavedTree(
            sandbox, partial(self._reopened, run_id, spec), base=spec.base, saved=spec.saved
        )
        self._open.setdefault((run_id, spec.name), []).append(tree)
        return PreparedSandbox(tree, spec.environment)

    async def discard(self, run_id: str, name: str) -> None:
        await self._close(run_id, name)
        if box := await self._client.find(sandbox_name(run_id, name)):
            await box.end()

    async def close_run(
        self,
        run_id: str,
        *,
        keep: tuple[str, ...] = (),  # noqa: ARG002 - one that waits is paid for
    ) -> None:
        """End every Sandbox of the run, those in `keep` too.

        A tree that is wanted again is made again, from the newest change.
        """
        for opened_run, name in list(self._open):
            if opened_run == run_id:
                await self._close(run_id, name)
        for box in await self._client.tagged({"run": run_id}):
            await box.end()

    async def end_orphans(self, active: Collection[str], *, older_than_s: float) -> list[str]:
        """End what runs that are not active left behind; the ids of those runs."""
        ended = []
        for box in await self._client.tagged({}):
            tags = await box.tags()
            run_id, made = tags.get("run"), tags.get(TAG_CREATED, "0")
            if TAG_STATE not in tags or run_id is None or run_id in active:
                continue
            if time.time() - int(made) > older_than_s:
                await box.end()
                ended.append(run_id)
        return ended

    async def _opened(self, run_id: str, spec: TreeSpec) -> tuple[Sandbox, str]:
        """The tree, and what is to be said of one that was made now."""
        name = sandbox_name(run_id, spec.name)
        if found := await self._found(name):
            sandbox = self._attach(found)
            if spec.checkout and (await found.tags()).get(TAG_STATE) == _UNFILLED:
                await check_out(sandbox)
                await _mark(found, _READY)
            return sandbox, ""
        box, holds = await self._made(run_id, spec, name)
        if spec.saved:
            spec.saved.restored(holds)
        return self._attach(box), holds

    def _attach(self, box: ModalSandbox) -> Sandbox:
        return MeteredSandbox(RemoteSandbox(box, self._client.limits), self._metrics)

    async def _reopened(self, run_id: str, spec: TreeSpec) -> tuple[Sandbox, str]:
        """The tree after a loss: as it is where only the way to it was lost."""
        box = await self._found(sandbox_name(run_id, spec.name))
        if box and not await RemoteSandbox(box, self._client.limits).kill_all():
            await box.end()
        sandbox, holds = await self._opened(run_id, spec)
        return sandbox, holds or "Its tree is as it was, but nothing runs in it any more."

    async def _found(self, name: str) -> ModalSandbox | None:
        """The whole tree of that name; one that was left half made is ended."""
        box = await self._client.find(name)
        if box is None or (await box.tags()).get(TAG_STATE) in {_UNFILLED, _READY}:
            return box
        await box.end()
        return None

    async def _made(self, run_id: str, spec: TreeSpec, name: str) -> tuple[ModalSandbox, str]:
        """A new tree, and what it holds; made again where its Sandbox goes away meanwhile."""
        patch, holds = await self._change(run_id, spec)
        run = RunFolder.of(self._runs, run_id)
        tags = {"run": run_id, "tree": spec.name}
        lost = SandboxLost(f"the sandbox {name} is made by others again and again")
        for _ in range(_TRIES):
            kept = await self._set_up.find(run_id, run, spec, patch) if spec.setup else None
            try:
                box = await self._client.make(name, tags, kept=kept, emit=spec.emit)
            except ImageGone as gone:
                await self._client.delete_setup_image(gone.kept)
                continue
            if box is None:
                if box := await self._found(name):
                    return box, ""
                continue
            try:
                await self._fill(box, run, spec, patch)
                await _mark(box, _READY if spec.checkout else _UNFILLED)
            except SandboxLost as error:
                lost = error
                await box.end()
            except BaseException:
                await asyncio.shield(box.end())
                raise
            else:
                return box, holds
        raise lost

    async def _change(self, run_id: str, spec: TreeSpec) -> tuple[bytes, str]:
        """The newest change that is known of the tree, and what to say of it."""
        if spec.saved and (newest := await spec.saved.newest()):
            patch, at = newest
            return patch, restored_message(at)
        if spec.change is None:
            return b"", "Its tree was made again from the base."
        patch = await asyncio.to_thread(load_change, self._runs, run_id, spec.change)
        return patch, "Its tree was made again as it was when you were asked."

    async def _fill(self, box: ModalSandbox, run: RunFolder, spec: TreeSpec, patch: bytes) -> None:
        """Make the tree inside; what set-up left has the base's objects already."""
        sandbox = RemoteSandbox(box, self._client.limits)
        try:
            if not spec.setup:
                await put_base(sandbox, run.git_of(spec.base), self._client.limits)
            await fill(MeteredSandbox(sandbox, self._metrics), run, spec, patch)
        finally:
            await sandbox.close()

    async def _close(self, run_id: str, name: str) -> None:
        for sandbox in self._open.pop((run_id, name), ()):
            await sandbox.close()


async def _mark(box: ModalSandbox, state: str) -> None:
    await box.mark({**await box.tags(), TAG_STATE: state})


def sandbox_name(run_id: str, tree: str) -> str:
    """The name of a tree's Sandbox: of a run's id that no Sandbox can have, a digest stands."""
    if not _NAME.fullmatch(tree):
        raise ValueError(f"not a name of a tree: {tree!r}")
    name = f"{run_id}-{tree}"
    if _RUN_ID.fullmatch(run_id) and len(name) <= _LONGEST_NAME:
        return name
    return f"{hashlib.sha256(run_id.encode()).hexdigest()[:24]}-{tree}"[:_LONGEST_NAME]
