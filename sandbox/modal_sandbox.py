"""Sandboxes of Modal: made, found, marked and ended, and the processes in them.

No secret is given to one and nothing is mounted in it; it has no network, or named hosts alone. All
errors of Modal's library are mapped here.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager

import modal
from grpclib.exceptions import GRPCError, StreamTerminatedError
from modal.container_process import ContainerProcess
from modal.exception import (
    AlreadyExistsError,
    AuthError,
    InternalError,
    NotFoundError,
    PermissionDeniedError,
    RemoteError,
    ResourceExhaustedError,
    ServiceError,
    VersionError,
)

from graph.errors import SandboxError, SandboxLost, SandboxUnavailable
from sandbox.sandbox import Limits

FOREIGN = (modal.Error, GRPCError, StreamTerminatedError, OSError)
_REFUSED = (AuthError, PermissionDeniedError, VersionError)
_PASSING = (ResourceExhaustedError, ServiceError, InternalError)
_CPU_RESERVED, _MEMORY_RESERVED_MB = 0.5, 512
_MEMORY_OURS_MB = 256
"""For what is not a command's: the supervisors."""
_LATE_S = 5.0
_TIMED_OUT = -1


class BoxProcess:
    """A process in a Sandbox."""

    def __init__(self, process: "ContainerProcess[bytes]") -> None:
        self._process = process

    def output(self) -> AsyncIterator[bytes]:
        return _mapped_pieces(self._process.stdout)

    def told(self) -> AsyncIterator[bytes]:
        return _mapped_pieces(self._process.stderr)

    async def write(self, data: bytes) -> None:
        with mapped():
            self._process.stdin.write(data)
            await self._process.stdin.drain.aio()

    async def end_input(self) -> None:
        with mapped():
            self._process.stdin.write_eof()
            await self._process.stdin.drain.aio()

    async def wait(self) -> int | None:
        with mapped():
            code = await self._process.wait.aio()
        return None if code == _TIMED_OUT else code


class Box:
    """One Sandbox of Modal."""

    def __init__(self, sandbox: modal.Sandbox) -> None:
        self._sandbox = sandbox

    async def start(self, words: Sequence[str], *, timeout_s: int) -> BoxProcess:
        with mapped():
            return BoxProcess(await self._sandbox.exec.aio(*words, timeout=timeout_s, text=False))

    async def runs(self) -> bool:
        with mapped():
            return await self._sandbox.poll.aio() is None

    async def tags(self) -> dict[str, str]:
        with mapped():
            return dict(await self._sandbox.get_tags.aio())

    async def mark(self, tags: Mapping[str, str]) -> None:
        """Give it these tags in place of those it had; what runs in it cannot change them."""
        with mapped():
            await self._sandbox.set_tags.aio(dict(tags))

    async def snapshot(self) -> str:
        """The id of an image of its files."""
        with mapped():
            image = await self._sandbox.snapshot_filesystem.aio()
            return image.object_id

    async def end(self) -> None:
        """Everything in it is killed, and it is gone; nothing happens where it is already."""
        with mapped():
            try:
                await self._sandbox.terminate.aio(wait=True)
            except NotFoundError:
                return


class Boxes:
    """The Sandboxes of one app.

    `lifetime_s` and `idle_s` end one that everybody has forgotten. Of the cores and the memory that
    commands may take, a part is reserved. Where Modal has none to give, `waits_s` are waited.
    """

    def __init__(
        self,
        *,
        app_name: str,
        image: modal.Image,
        limits: Limits,
        lifetime_s: int,
        idle_s: int,
        waits_s: Sequence[float] = (1, 4, 10, 30),
    ) -> None:
        self.limits = limits
        self._app_name = app_name
        self._image = image
        self._lifetime_s = lifetime_s
        self._idle_s = idle_s
        self._waits_s = waits_s
        self._app: modal.App | None = None

    async def find(self, name: str) -> Box | None:
        """The one of that name, where it runs."""
        with mapped():
            try:
                box = Box(await modal.Sandbox.from_name.aio(self._app_name, name))
                return box if await box.runs() else None
            except NotFoundError:
                return None

    async def tagged(self, tags: Mapping[str, str]) -> list[Box]:
        """Those that run and have at least these tags."""
        with mapped():
            app = await self._looked_up()
            listed = modal.Sandbox.list.aio(app_id=app.app_id, tags=dict(tags))
            return [Box(sandbox) async for sandbox in listed]

    async def make(
        self,
        name: str,
        tags: Mapping[str, str],
        *,
        snapshot: str = "",
        hosts: Sequence[str] = (),
    ) -> Box | None:
        """A new one, None where the name is taken; without a network, or with `hosts` alone."""
        with mapped():
            image = await modal.Image.from_id.aio(snapshot) if snapshot else self._image
            for wait in (*self._waits_s, None):
                making = asyncio.create_task(self._create(name, tags, image, hosts))
                try:
                    return await asyncio.shield(making)
                except asyncio.CancelledError:
                    await _end_late(making)
                    raise
                except AlreadyExistsError:
                    return None
                except _PASSING:
                    if wait is None:
                        raise
                    await asyncio.sleep(wait)
        return None

    async def _create(
        self, name: str, tags: Mapping[str, str], image: modal.Image, hosts: Sequence[str]
    ) -> Box:
        cpus, memory = self.limits.cpus, self.limits.memory_mb
        sandbox = await modal.Sandbox.create.aio(
            "sleep",
            "infinity",
            app=await self._looked_up(),
            name=name,
            tags=dict(tags),
            image=image,
            secrets=[],
            volumes={},
            timeout=self._lifetime_s,
            idle_timeout=self._idle_s,
            cpu=(min(_CPU_RESERVED, cpus), cpus),
            memory=(min(_MEMORY_RESERVED_MB, memory), memory + _MEMORY_OURS_MB),
            block_network=not hosts,
            outbound_domain_allowlist=list(hosts) or None,
            include_oidc_identity_token=False,
        )
        return Box(sandbox)

    async def _looked_up(self) -> modal.App:
        if self._app is None:
            self._app = await modal.App.lookup.aio(self._app_name, create_if_missing=True)
        return self._app


async def _end_late(making: "asyncio.Task[Box]") -> None:
    """End what comes of a request that nobody waits for; the run's end finds what comes later."""
    done, _ = await asyncio.wait([making], timeout=_LATE_S)
    if done and not making.exception():
        await making.result().end()
    making.cancel()


async def _mapped_pieces(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with mapped():
        async for piece in stream:
            yield piece


@contextmanager
def mapped() -> Iterator[None]:
    """Modal's errors, and those of the way to it, as ours."""
    try:
        yield
    except FOREIGN as error:
        raise ours(error) from error


def ours(error: BaseException) -> SandboxError:
    """What an error of Modal's means here: refused, used up, or lost on the way."""
    said = f"{type(error).__name__}: {error}".rstrip(": ")[:300]
    match error:
        case _ if isinstance(error, _REFUSED):
            return SandboxUnavailable(f"Modal refused a Sandbox: {said}", "Renew Modal's token.")
        case ResourceExhaustedError():
            return SandboxUnavailable(
                f"Modal has no Sandbox left to give: {said}",
                "Run fewer at a time, or raise the workspace's limits.",
            )
        case RemoteError():
            return SandboxUnavailable(
                f"The Sandbox's image cannot be built: {said}",
                "See CODING_AGENT_SANDBOX_IMAGE.",
            )
    return SandboxLost(f"the sandbox was lost: {said}")
