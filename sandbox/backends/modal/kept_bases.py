"""Images in which a base is checked out on what set-up left, so that trees begin with all of it.

One is made of a Sandbox in which nothing has been run but that, by the base's files and the image
that it began with. All runs on the same commit and environment share it.
"""

import asyncio
import hashlib
import logging
import time
from typing import Final

from graph import RunFolder, repo_of
from graph.errors import SandboxError
from sandbox.backends.modal.client import TAG_CREATED, ModalClient, SetupImage
from sandbox.backends.modal.sandbox import ModalSandbox
from sandbox.core.protocol import TreeSpec
from sandbox.setup.cache_key import results_of
from sandbox.tree.checkout import base_objects
from sandbox.tree.git_dir import make_git_dir
from sandbox.tree.object_stream import BaseObjects

log = logging.getLogger(__name__)

WORTH_BYTES: Final = 8 << 20
"""Less than this is sent in less time than an image takes."""
_WITHIN_S: Final = 20
"""Who opens the tree waits for it."""


class KeptBases:
    """Those of one app. `worth_bytes`: a base whose objects take less has no image."""

    def __init__(self, client: ModalClient, toolchain: str, worth_bytes: int = WORTH_BYTES) -> None:
        self._client = client
        self._toolchain = toolchain
        self._worth_bytes = worth_bytes

    async def find(
        self, run: RunFolder, spec: TreeSpec, set_up: SetupImage | None
    ) -> SetupImage | None:
        """The image of a tree's base on what set-up left, where one is known."""
        if not await self._is_worth(run, spec):
            return None
        try:
            return await self._client.get_setup_image(self._key(spec, set_up))
        except SandboxError as error:
            log.info("whether a base has an image is not known: %s", error.message)
            return None

    async def keep(
        self, container: ModalSandbox, run: RunFolder, spec: TreeSpec, set_up: SetupImage | None
    ) -> None:
        """Make an image of a Sandbox that has just been filled; without one trees are filled.

        Who waits for the Sandbox elsewhere is told that it is still worked on.
        """
        if not await self._is_worth(run, spec):
            return
        key = self._key(spec, set_up)
        try:
            if await self._client.get_setup_image(key) is None:
                now = {TAG_CREATED: str(int(time.time()))}
                await container.mark({**await container.tags(), **now})
                made = SetupImage(key, await container.snapshot(_WITHIN_S), runs_scripts=False)
                await self._client.put_setup_image(made)
        except SandboxError as error:
            log.info("no image of a base is kept: %s", error.message)

    async def _is_worth(self, run: RunFolder, spec: TreeSpec) -> bool:
        if not spec.checkout or spec.reaches_hosts:
            return False
        objects = base_objects(run.git_of(spec.base))
        return (await asyncio.to_thread(BaseObjects.of, objects)).size >= self._worth_bytes

    def _key(self, spec: TreeSpec, set_up: SetupImage | None) -> str:
        begun = set_up.image if set_up else f"{self._toolchain}\n{spec.environment.image}"
        made = hashlib.sha256(f"base\n{begun}\n{name_base(spec)}".encode()).hexdigest()
        return f"{results_of(repo_of(spec.base))}{made}"


def name_base(spec: TreeSpec) -> str:
    """What tells the base of a tree from others, short enough for a tag."""
    made = f"{make_git_dir('.git', spec.base)}{spec.base.tree}{spec.checkout}"
    return hashlib.sha256(made.encode()).hexdigest()[:32]
