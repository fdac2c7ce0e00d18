"""Sandboxes that are made before their tree is opened, so that nobody waits for them.

They are found by name and tags, by whichever process opens the tree. Where the base is known, it is
checked out in them too.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from graph.calls import end_tasks, to_the_end
from graph.errors import CodingAgentError, SandboxLost
from sandbox.backends.modal.client import (
    TAG_CREATED,
    TAG_STATE,
    ImageGone,
    ModalClient,
    SetupImage,
)
from sandbox.backends.modal.sandbox import ModalSandbox

log = logging.getLogger(__name__)

SPARE: Final = "spare"
"""The state of one that waits for who opens its tree."""
FILLING: Final = "filling"
"""The state of one in which the base is being checked out."""
_TAG_IMAGE: Final = "begins"
_TAG_HOLDS: Final = "holds"
_MAKING: Final = "making"
_ELSEWHERE_S: Final = 5.0
_LOOK_S: Final = 0.2
"""One that another process makes is looked for so long, every so often."""


@dataclass(frozen=True)
class Beginning:
    """What a Sandbox begins with: what set-up left, or a snapshot that has the `base` too.

    Without either it is the `image` that its repository names, else the operator's.
    """

    image: str = ""
    set_up: SetupImage | None = None
    base: SetupImage | None = None

    @property
    def snapshot(self) -> SetupImage | None:
        return self.base or self.set_up

    @property
    def names(self) -> tuple[str, ...]:
        """Of images that serve as well, the best first."""
        set_up = self.set_up.image if self.set_up else self.image
        return (self.base.image, set_up) if self.base else (set_up,)


Fill = Callable[[ModalSandbox, Beginning], Awaitable[None]]


@dataclass(frozen=True)
class Wanted:
    """A Sandbox to be made ahead, on what `find` finds.

    Where `holds` names a base, `fill` checks it out. One that is `begun_elsewhere`, by another
    process, is made where it does not come.
    """

    name: str
    run_id: str
    tree: str
    find: Callable[[], Awaitable[Beginning]]
    fill: Fill
    holds: str = ""
    begun_elsewhere: bool = False


IsWanted = Callable[[str], Awaitable[bool]]
"""Whether a run, by its id, goes on."""


class SpareSandboxes:
    """Those of one app. What fails is made when the tree is opened, and told then.

    One that is there already is not made again. Where others may end a run, `is_wanted`
    is asked once its Sandbox is there: who ended the run may have seen nothing of that.
    """

    def __init__(self, client: ModalClient, is_wanted: IsWanted | None = None) -> None:
        self._client = client
        self._is_wanted = is_wanted
        self._begun: dict[str, tuple[str, asyncio.Task[None]]] = {}

    def begin(self, wanted: Wanted) -> None:
        """Make one in the background."""
        if wanted.name not in self._begun:
            making = asyncio.create_task(self._make(wanted))
            self._begun[wanted.name] = begun = (wanted.run_id, making)
            making.add_done_callback(lambda _: self._forget(wanted.name, begun))

    async def wait(self, name: str) -> None:
        """Return once one that was begun here is there, or cannot be.

        Until then it is known as begun, so that it ends with a run that is cancelled meanwhile.
        """
        if begun := self._begun.get(name):
            await asyncio.wait([begun[1]])
            self._forget(name, begun)

    def _forget(self, name: str, begun: tuple[str, asyncio.Task[None]]) -> None:
        if self._begun.get(name) is begun:
            del self._begun[name]

    async def end(self, run_id: str) -> None:
        """Make none for a run any more."""
        begun = {name: task for name, (of, task) in self._begun.items() if of == run_id}
        for name in begun:
            del self._begun[name]
        await end_tasks(*begun.values())

    async def take(self, spare: ModalSandbox, begins_with: Sequence[str], base: str) -> bool | None:
        """Take one that is there and begins with one of these: it is nobody else's then.

        Whether the base is in it; None where it was not taken. One of other files is ended.
        """
        try:
            tags = await spare.tags()
            held = tags.get(_TAG_HOLDS, "")
            if tags.get(_TAG_IMAGE) in begins_with and held in ("", base):
                await spare.mark({**tags, TAG_STATE: _MAKING})
                return held == base
            await spare.end()
        except SandboxLost as error:
            log.info("a spare Sandbox has gone: %s", error.message)
        return None

    async def _make(self, wanted: Wanted) -> None:
        try:
            if await self._is_there(wanted):
                return
            begins = await wanted.find()
            tags = {
                "run": wanted.run_id,
                "tree": wanted.tree,
                TAG_STATE: FILLING if wanted.holds else SPARE,
                TAG_CREATED: str(int(time.time())),
                _TAG_IMAGE: begins.names[0],
            }
            made = await self._client.make(
                wanted.name, tags, kept=begins.snapshot, image=begins.image, waits=False
            )
            if made and self._is_wanted and not await self._is_wanted(wanted.run_id):
                await made.end()
            elif made and wanted.holds:
                await self._fill(made, tags, wanted, begins)
        except (CodingAgentError, ImageGone) as error:
            log.info("no Sandbox is made ahead for %s: %s", wanted.name, error)

    async def _is_there(self, wanted: Wanted) -> bool:
        looked_until = time.monotonic() + (_ELSEWHERE_S if wanted.begun_elsewhere else 0)
        while not await self._client.find(wanted.name):
            if time.monotonic() >= looked_until:
                return False
            await asyncio.sleep(_LOOK_S)
        return True

    async def _fill(
        self, made: ModalSandbox, tags: Mapping[str, str], wanted: Wanted, begins: Beginning
    ) -> None:
        """Have the base checked out; what was cut short is nobody's to go on with."""
        is_filled = False
        try:
            await wanted.fill(made, begins)
            await made.mark({**tags, TAG_STATE: SPARE, _TAG_HOLDS: wanted.holds})
            is_filled = True
        finally:
            if not is_filled:
                await to_the_end(made.end())
