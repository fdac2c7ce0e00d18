"""Sandboxes that are made before their tree is opened, so that nobody waits for them.

They are found by name and tags, by whichever process opens the tree.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from graph.errors import CodingAgentError, SandboxLost
from sandbox.backends.modal.client import TAG_STATE, ImageGone, ModalClient, SetupImage
from sandbox.backends.modal.sandbox import ModalSandbox

log = logging.getLogger(__name__)

SPARE: Final = "spare"
"""The state of one in which nothing was done yet."""
_TAG_IMAGE: Final = "begins"
_MAKING: Final = "making"

FindImage = Callable[[], Awaitable[SetupImage | None]]


class SpareSandboxes:
    """Those of one app. What fails is made when the tree is opened, and told then."""

    def __init__(self, client: ModalClient) -> None:
        self._client = client
        self._begun: dict[str, tuple[str, asyncio.Task[None]]] = {}

    def begin(self, name: str, run_id: str, tree: str, image: str, find: FindImage) -> None:
        """Make one of that name in the background, on what `find` finds, else on the image."""
        if name not in self._begun:
            making = asyncio.create_task(self._make(name, run_id, tree, image, find))
            self._begun[name] = (run_id, making)

    async def wait(self, name: str) -> None:
        """Return once one that was begun here is there, or cannot be.

        Until then it is known as begun, so that it ends with a run that is cancelled meanwhile.
        """
        if begun := self._begun.get(name):
            await asyncio.wait([begun[1]])
            if self._begun.get(name) is begun:
                del self._begun[name]

    async def end(self, run_id: str) -> None:
        """Make none for a run any more."""
        begun = {name: task for name, (of, task) in self._begun.items() if of == run_id}
        for name, task in begun.items():
            del self._begun[name]
            task.cancel()
        await asyncio.gather(*begun.values(), return_exceptions=True)

    async def take(self, spare: ModalSandbox, begins_with: str | None) -> bool:
        """Whether it is there and begins with this: it is nobody else's then. Others are ended."""
        try:
            tags = await spare.tags()
            if tags.get(_TAG_IMAGE) == begins_with:
                await spare.mark({**tags, TAG_STATE: _MAKING})
                return True
            await spare.end()
        except SandboxLost as error:
            log.info("a spare Sandbox has gone: %s", error.message)
        return False

    async def _make(self, name: str, run_id: str, tree: str, image: str, find: FindImage) -> None:
        try:
            kept = await find()
            tags = {
                "run": run_id,
                "tree": tree,
                TAG_STATE: SPARE,
                _TAG_IMAGE: kept.image if kept else image,
            }
            await self._client.make(name, tags, kept=kept, image=image, waits=False)
        except (CodingAgentError, ImageGone) as error:
            log.info("no Sandbox is made ahead for %s: %s", name, error)
