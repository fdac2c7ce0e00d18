"""The Sandboxes of one app of Modal: made, found, marked and ended; what set-ups left there.

No secret is given to one and nothing is mounted in it; it has no network, or named hosts alone.
"""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

import modal
import modal.experimental
from modal.exception import (
    AlreadyExistsError,
    InternalError,
    NotFoundError,
    ResourceExhaustedError,
    ServiceError,
)

from graph import Emit, Retry, unheard
from graph.errors import SandboxLost, SandboxUnavailable
from sandbox.backends.base.backend import BackendOptions
from sandbox.backends.container.wire import USER
from sandbox.backends.modal.errors import map_error, modal_call
from sandbox.backends.modal.sandbox import ModalSandbox
from sandbox.egress.suggest_hosts import PackageSources
from sandbox.host.own_tools import uv_version

TAG_STATE, TAG_CREATED = "coding-agent", "made"
"""Tags of every Sandbox of ours: how far the tree in it is made, and when that was begun."""

_PASSING = (ResourceExhaustedError, ServiceError, InternalError)
_CPU_RESERVED, _MEMORY_RESERVED_MB = 0.5, 512
_MEMORY_OURS_MB = 256
"""For what is not a command's: the supervisors."""
_LATE_S = 5.0
_CAPACITY_S = 1800.0
"""Modal looks for room for up to 21 minutes."""
_PYTHON = "3.12"
_SOURCES, _SOURCES_S = "sources:", 24 * 3600.0
"""What the keys of sources begin with, and how long they are believed."""
_REACH = "Let this machine reach Modal, or set CODING_AGENT_SANDBOX to auto."


@dataclass(frozen=True)
class SetupImage:
    """What a set-up left: an image of its files; whether it ran scripts of the repository.

    `report` is what it said of its steps, where that is known.
    """

    key: str
    image: str
    runs_scripts: bool
    report: bytes | None = None


class ImageGone(Exception):
    """Raised when a kept image is no more: Modal removes it after its time."""

    def __init__(self, kept: SetupImage) -> None:
        super().__init__(kept)
        self.kept = kept


class ModalClient:
    """The Sandboxes of one app, on a toolchain image by the name it has in a registry.

    Of the cores and the memory that
    commands may take, a part is reserved. Where Modal has none to give, `waits_s` are waited.
    """

    def __init__(self, options: BackendOptions, *, waits_s: Sequence[float]) -> None:
        self._options = options
        self._image = toolchain(options.image)
        self._app_name = options.app_name
        self._waits_s = waits_s
        self._app: modal.App | None = None

    async def reach(self) -> None:
        """Raises SandboxUnavailable where Modal does not know whose Sandboxes these would be."""
        try:
            async with modal_call():
                await self._look_up()
        except SandboxLost as error:
            raise SandboxUnavailable(error.message, _REACH) from error

    async def find(self, name: str) -> ModalSandbox | None:
        """The one of that name, where it runs."""
        async with modal_call():
            try:
                found = ModalSandbox(await modal.Sandbox.from_name.aio(self._app_name, name))
                return found if await found.runs() else None
            except NotFoundError:
                return None

    async def tagged(self, tags: Mapping[str, str]) -> list[ModalSandbox]:
        """Those that run and have at least these tags."""
        async with modal_call():
            app = await self._look_up()
            listed = modal.Sandbox.list.aio(app_id=app.app_id, tags=dict(tags))
            return [ModalSandbox(sandbox) async for sandbox in listed]

    async def make(
        self,
        name: str,
        tags: Mapping[str, str],
        *,
        kept: SetupImage | None = None,
        image: str = "",
        hosts: Sequence[str] = (),
        emit: Emit = unheard,
        waits: bool = True,
    ) -> ModalSandbox | None:
        """A new one, None where the name is taken; without a network, or with `hosts` alone.

        It begins with what was `kept`, else on the `image` that its repository names. Without
        `waits` there is one try.

        Raises ImageGone where it was to begin with what was kept.
        """
        async with modal_call(_CAPACITY_S):
            own = toolchain(image) if image else self._image
            begins_with = modal.Image.from_id(kept.image) if kept else own
            for attempt, wait in enumerate((*(self._waits_s if waits else ()), None), start=2):
                making = asyncio.create_task(self._create(name, tags, begins_with, hosts))
                try:
                    return await asyncio.shield(making)
                except asyncio.CancelledError:
                    await _end_late(making)
                    raise
                except AlreadyExistsError:
                    return None
                except NotFoundError as error:
                    if kept:
                        raise ImageGone(kept) from error
                    raise
                except _PASSING as error:
                    if wait is None:
                        raise
                    reason, wait_ms = map_error(error).message, round(wait * 1000)
                    emit(Retry(what="sandbox", attempt=attempt, wait_ms=wait_ms, reason=reason))
                    await asyncio.sleep(wait)
        return None

    async def get_setup_image(self, key: str) -> SetupImage | None:
        """What was kept of a set-up; its image may be gone."""
        async with modal_call():
            kept = await (await self._get_set_ups()).get.aio(key)
        return SetupImage(**kept) if kept else None

    async def delete_setup_image(self, kept: SetupImage) -> None:
        async with modal_call():
            await (await self._get_set_ups()).pop.aio(kept.key, None)

    async def put_setup_image(self, kept: SetupImage) -> None:
        async with modal_call():
            await (await self._get_set_ups()).put.aio(kept.key, asdict(kept))

    async def get_sources(self, image: str) -> PackageSources | None:
        """What package managers of an image said of late."""
        async with modal_call():
            kept = await (await self._get_set_ups()).get.aio(f"{_SOURCES}{image}")
        if not kept or time.time() - kept["at"] > _SOURCES_S:
            return None
        return PackageSources(tuple(kept["hosts"]), kept["variables"])

    async def put_sources(self, image: str, said: PackageSources) -> None:
        kept = {"hosts": list(said.hosts), "variables": dict(said.variables), "at": time.time()}
        async with modal_call():
            await (await self._get_set_ups()).put.aio(f"{_SOURCES}{image}", kept)

    async def forget_set_ups(self, prefix: str) -> bool:
        """Remove the images of all set-ups whose keys begin so; whether there were any."""
        async with modal_call(_CAPACITY_S):
            set_ups = await self._get_set_ups()
            keys = [key async for key in set_ups.keys.aio() if key.startswith(prefix)]
            for key in keys:
                if kept := await set_ups.pop.aio(key, None):
                    await _delete_image(kept["image"])
        return bool(keys)

    async def _get_set_ups(self) -> "modal.Dict":
        return await modal.Dict.from_name(
            f"{self._app_name}-set-ups", create_if_missing=True
        ).hydrate.aio()

    async def _create(
        self, name: str, tags: Mapping[str, str], image: modal.Image, hosts: Sequence[str]
    ) -> ModalSandbox:
        cpus, memory = self._options.limits.cpus, self._options.limits.memory_mb
        sandbox = await modal.Sandbox.create.aio(
            "sleep",
            "infinity",
            app=await self._look_up(),
            name=name,
            tags={TAG_STATE: "making", TAG_CREATED: str(int(time.time())), **tags},
            image=image,
            secrets=[],
            volumes={},
            timeout=self._options.lifetime_s,
            idle_timeout=self._options.idle_s,
            cpu=(min(_CPU_RESERVED, cpus), cpus),
            memory=(min(_MEMORY_RESERVED_MB, memory), memory + _MEMORY_OURS_MB),
            block_network=not hosts,
            outbound_domain_allowlist=list(hosts) or None,
            include_oidc_identity_token=False,
        )
        return ModalSandbox(sandbox)

    async def _look_up(self) -> modal.App:
        if self._app is None:
            self._app = await modal.App.lookup.aio(self._app_name, create_if_missing=True)
        return self._app


def toolchain(name: str) -> modal.Image:
    """An image of Debian's kind with what we need in it: Python, git, and a user for commands."""
    python = None if re.search(r"(?:^|/)python:", name) else _PYTHON
    return (
        modal.Image.from_registry(name, add_python=python)
        .apt_install("git", "ripgrep")
        .pip_install(f"uv=={uv_version()}")
        .run_commands(f"id -u agent || useradd --uid {USER} --create-home --shell /bin/bash agent")
    )


async def _delete_image(image: str) -> None:
    """Delete an image; nothing happens where its time is over."""
    with suppress(NotFoundError):
        await modal.experimental.image_delete.aio(image)


async def _end_late(making: "asyncio.Task[ModalSandbox]") -> None:
    """End what comes of a request that nobody waits for; the run's end finds what comes later."""
    done, _ = await asyncio.wait([making], timeout=_LATE_S)
    if done and not making.exception():
        await making.result().end()
    making.cancel()
