"""Trees of sandboxes that live on Modal: made, found again, ended."""

import asyncio
import hashlib
import re
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from graph.errors import SandboxError, SandboxLost
from graph.run_folder import RunFolder
from sandbox.base_objects import BaseObjects
from sandbox.counted import CountedSandbox, Counts
from sandbox.modal_sandbox import Box, Boxes, ModalSandbox
from sandbox.sandbox import BASE_OBJECTS, WORKSPACE, Sandbox, Sandboxes, TreeSpec
from sandbox.set_up import run_set_up
from sandbox.supervised import HOME, order_of
from sandbox.tree_making import fill
from sandbox.workspace import load_change

OURS = "coding-agent"
"""The tag of every Sandbox of ours; its value says whether the tree in it is whole."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_LONGEST_NAME = 63
_TRIES = 3
_BASE_TIMEOUT_S = 600.0
_BASE_DISK_MB = 32 * 1024
_TOLD = 1000

# A folder of the container's root: commands can read it and not write to it.
_UNPACK = f"""\
set -e
mkdir -p {BASE_OBJECTS}
tar -C {BASE_OBJECTS} --no-same-owner -xf -
chmod -R u=rwX,go=rX {BASE_OBJECTS}
"""


class ModalSandboxes(Sandboxes):
    """Keeps each tree in a Sandbox of its own, named after run and tree."""

    def __init__(self, *, runs: Path, boxes: Boxes, counts: Counts | None = None) -> None:
        self._runs = runs
        self._boxes = boxes
        self._counts = counts or Counts()
        self._open: dict[tuple[str, str], list[Sandbox]] = {}

    async def open(self, run_id: str, spec: TreeSpec) -> Sandbox:
        name = box_name(run_id, spec.name)
        box = await self._found(name) or await self._made(run_id, spec, name)
        sandbox = self._attach(box)
        self._open.setdefault((run_id, spec.name), []).append(sandbox)
        return sandbox

    async def discard(self, run_id: str, name: str) -> None:
        await self._close(run_id, name)
        if box := await self._boxes.find(box_name(run_id, name)):
            await self._boxes.end(box)

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
        for box in await self._boxes.tagged({"run": run_id}):
            await self._boxes.end(box)

    async def end_leftovers(self, active: Collection[str], *, older_than_s: float) -> list[str]:
        """End what runs that are not active left behind; the ids of those runs."""
        ended = []
        for box in await self._boxes.tagged({}):
            tags = await self._boxes.tags_of(box)
            run_id, made = tags.get("run"), tags.get("made", "0")
            if OURS not in tags or run_id is None or run_id in active:
                continue
            if time.time() - int(made) > older_than_s:
                await self._boxes.end(box)
                ended.append(run_id)
        return ended

    async def _found(self, name: str) -> Box | None:
        """The whole tree of that name; one that was left half made is ended."""
        box = await self._boxes.find(name)
        if box is None or (await self._boxes.tags_of(box)).get(OURS) == "ready":
            return box
        await self._boxes.end(box)
        return None

    async def _made(self, run_id: str, spec: TreeSpec, name: str) -> Box:
        """A new tree; made again where its Sandbox goes away meanwhile."""
        patch = b""
        if spec.change:
            patch = await asyncio.to_thread(load_change, self._runs, run_id, spec.change)
        lost = SandboxLost(f"the sandbox {name} is made by others again and again")
        for _ in range(_TRIES):
            tags = {OURS: "making", "run": run_id, "tree": spec.name, "made": str(int(time.time()))}
            box = await self._boxes.make(name, tags)
            if box is None:
                if box := await self._found(name):
                    return box
                continue
            try:
                await self._fill(box, RunFolder.of(self._runs, run_id), spec, patch)
                await self._boxes.mark(box, {**tags, OURS: "ready"})
            except SandboxLost as error:
                lost = error
                await self._boxes.end(box)
            except BaseException:
                await asyncio.shield(self._boxes.end(box))
                raise
            else:
                return box
        raise lost

    async def _fill(self, box: Box, run: RunFolder, spec: TreeSpec, patch: bytes) -> None:
        """Stream the base in, check it out, apply the change and set up, all inside."""
        sandbox = ModalSandbox(box, self._boxes.limits)
        try:
            await self._put_base(sandbox, run.base_git / "objects")
            counted = CountedSandbox(sandbox, self._counts)
            await fill(counted, run, spec, patch)
            await run_set_up(counted, spec.setup)
        finally:
            await sandbox.close()

    async def _put_base(self, sandbox: ModalSandbox, objects: Path) -> None:
        base = await asyncio.to_thread(BaseObjects.of, objects)
        order = order_of(["/bin/sh", "-c", _UNPACK], self._boxes.limits, keep_bytes=_TOLD)
        order = replace(
            order,
            timeout_s=_BASE_TIMEOUT_S,
            disk_mb=_BASE_DISK_MB,
            input_bytes=base.size,
            user=None,
            folder="/",
            give=(WORKSPACE, HOME),
        )
        result = await sandbox.carry_out(order, base.pieces(), _TOLD)
        if result.exit_code != 0:
            reason = f"the {result.limit} limit was reached" if result.limit else result.text
            raise SandboxError(f"The base cannot be put into a sandbox: {reason.strip()}")

    def _attach(self, box: Box) -> Sandbox:
        return CountedSandbox(ModalSandbox(box, self._boxes.limits), self._counts)

    async def _close(self, run_id: str, name: str) -> None:
        for sandbox in self._open.pop((run_id, name), ()):
            await sandbox.close()


def box_name(run_id: str, tree: str) -> str:
    """The name of a tree's Sandbox: of a run's id that no Sandbox can have, a digest stands."""
    if not _NAME.fullmatch(tree):
        raise ValueError(f"not a name of a tree: {tree!r}")
    name = f"{run_id}-{tree}"
    if _RUN_ID.fullmatch(run_id) and len(name) <= _LONGEST_NAME:
        return name
    return f"{hashlib.sha256(run_id.encode()).hexdigest()[:24]}-{tree}"[:_LONGEST_NAME]
