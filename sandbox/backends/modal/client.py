"""Sandboxes of Modal: made, found, marked and ended, and the processes in them.

No secret is given to one and nothing is mounted in it; it has no network, or named hosts alone. All
errors of Modal's library are mapped here.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

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

from graph import Emit, Retry, unheard
from graph.errors import SandboxError, SandboxLost, SandboxUnavailable
from sandbox.backends.container.wire import USER
from sandbox.core.protocol import Limits

TAG_STATE, TAG_CREATED = "coding-agent", "made"
"""Tags of every Sandbox of ours: how far the tree in it is made, and when that was begun."""

MODAL_ERRORS = (modal.Error, GRPCError, StreamTerminatedError, OSError)
_REFUSED = (AuthError, PermissionDeniedError, VersionError)
_PASSING = (ResourceExhaustedError, ServiceError, InternalError)
_CPU_RESERVED, _MEMORY_RESERVED_MB = 0.5, 512
_MEMORY_OURS_MB = 256
"""For what is not a command's: the supervisors."""
_LATE_S = 5.0
_SNAPSHOT_S = 300
_KEPT_S = 7 * 24 * 3600
"""What a set-up installs may have newer versions: after this time it is made anew."""
_TIMED_OUT = -1
_PYTHON = "3.12"
_SIGN_IN = "Sign in to Modal: modal token new, or set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET."
_REACH = "Let this machine reach Modal, or set CODING_AGENT_SANDBOX to auto."


@dataclass(frozen=True)
class SetupImage:
    """What a set-up left: an image of its files; whether it ran scripts of the repository."""

    key: str
    image: str
    runs_scripts: bool


class ImageGone(Exception):
    """Raised when a kept image is no more: Modal removes it after its time."""

    def __init__(self, kept: SetupImage) -> None:
        super().__init__(kept)
        self.kept = kept


class ModalProcess:
    """A process in a Sandbox."""

    def __init__(self, process: "ContainerProcess[bytes]") -> None:
        self._process = process

    def output(self) -> AsyncIterator[bytes]:
        return _mapped_pieces(self._process.stdout)

    def told(self) -> AsyncIterator[bytes]:
        return _mapped_pieces(self._process.stderr)

    async def write(self, data: bytes) -> None:
        with mapped_errors():
            self._process.stdin.write(data)
            await self._process.stdin.drain.aio()

    async def end_input(self) -> None:
        with mapped_errors():
            self._process.stdin.write_eof()
            await self._process.stdin.drain.aio()

    async def wait(self) -> int | None:
        with mapped_errors():
            code = await self._process.wait.aio()
        return None if code == _TIMED_OUT else code


class ModalSandbox:
    """One Sandbox of Modal."""

    def __init__(self, sandbox: modal.Sandbox) -> None:
        self._sandbox = sandbox

    async def start(self, words: Sequence[str], *, timeout_s: int) -> ModalProcess:
        with mapped_errors():
            return ModalProcess(await self._sandbox.exec.aio(*words, timeout=timeout_s, text=False))

    async def runs(self) -> bool:
        with mapped_errors():
            return await self._sandbox.poll.aio() is None

    async def tags(self) -> dict[str, str]:
        with mapped_errors():
            return dict(await self._sandbox.get_tags.aio())

    async def mark(self, tags: Mapping[str, str]) -> None:
        """Give it these tags in place of those it had; what runs in it cannot change them."""
        with mapped_errors():
            await self._sandbox.set_tags.aio(dict(tags))

    async def snapshot(self) -> str:
        """The id of an image of its files."""
        with mapped_errors():
            image = await self._sandbox.snapshot_filesystem.aio(_SNAPSHOT_S, ttl=_KEPT_S)
            return image.object_id

    async def end(self) -> None:
        """Everything in it is killed, and it is gone; nothing happens where it is already."""
        with mapped_errors():
            try:
                await self._sandbox.terminate.aio(wait=True)
            except NotFoundError:
                return


class ModalClient:
    """The Sandboxes of one app, on a toolchain `image` by the name it has in a registry.

    `lifetime_s` and `idle_s` end one that everybody has forgotten. Of the cores and the memory that
    commands may take, a part is reserved. Where Modal has none to give, `waits_s` are waited.
    """

    def __init__(
        self,
        *,
        app_name: str,
        image: str,
        limits: Limits,
        lifetime_s: int,
        idle_s: int,
        waits_s: Sequence[float] = (1, 4, 10, 30),
    ) -> None:
        self.limits = limits
        self.image_name = image
        self._image = toolchain(image)
        self._app_name = app_name
        self._lifetime_s = lifetime_s
        self._idle_s = idle_s
        self._waits_s = waits_s
        self._app: modal.App | None = None

    async def reach(self) -> None:
        """Raises SandboxUnavailable where Modal does not know whose Sandboxes these would be."""
        try:
            with mapped_errors():
                await self._looked_up()
        except SandboxLost as error:
            raise SandboxUnavailable(error.message, _REACH) from error

    async def find(self, name: str) -> ModalSandbox | None:
        """The one of that name, where it runs."""
        with mapped_errors():
            try:
                box = ModalSandbox(await modal.Sandbox.from_name.aio(self._app_name, name))
                return box if await box.runs() else None
            except NotFoundError:
                return None

    async def tagged(self, tags: Mapping[str, str]) -> list[ModalSandbox]:
        """Those that run and have at least these tags."""
        with mapped_errors():
            app = await self._looked_up()
            listed = modal.Sandbox.list.aio(app_id=app.app_id, tags=dict(tags))
            return [ModalSandbox(sandbox) async for sandbox in listed]

    async def make(
        self,
        name: str,
        tags: Mapping[str, str],
        *,
        kept: SetupImage | None = None,
        hosts: Sequence[str] = (),
        emit: Emit = unheard,
    ) -> ModalSandbox | None:
        """A new one, None where the name is taken; without a network, or with `hosts` alone.

        Raises ImageGone where it was to begin with what was kept.
        """
        with mapped_errors():
            image = modal.Image.from_id(kept.image) if kept else self._image
            for attempt, wait in enumerate((*self._waits_s, None), start=2):
                making = asyncio.create_task(self._create(name, tags, image, hosts))
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
        with mapped_errors():
            kept = await (await self._set_ups()).get.aio(key)
        return SetupImage(**kept) if kept else None

    async def delete_setup_image(self, kept: SetupImage) -> None:
        with mapped_errors():
            await (await self._set_ups()).pop.aio(kept.key, None)

    async def put_setup_image(self, kept: SetupImage) -> None:
        with mapped_errors():
            await (await self._set_ups()).put.aio(kept.key, asdict(kept))

    async def _set_ups(self) -> "modal.Dict":
        return await modal.Dict.from_name(
            f"{self._app_name}-set-ups", create_if_missing=True
        ).hydrate.aio()

    async def _create(
        self, name: str, tags: Mapping[str, str], image: modal.Image, hosts: Sequence[str]
    ) -> ModalSandbox:
        cpus, memory = self.limits.cpus, self.limits.memory_mb
        sandbox = await modal.Sandbox.create.aio(
            "sleep",
            "infinity",
            app=await self._looked_up(),
            name=name,
            tags={TAG_STATE: "making", TAG_CREATED: str(int(time.time())), **tags},
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
        return ModalSandbox(sandbox)

    async def _looked_up(self) -> modal.App:
        if self._app is None:
            self._app = await modal.App.lookup.aio(self._app_name, create_if_missing=True)
        return self._app


def toolchain(name: str) -> modal.Image:
    """An image of Debian's kind with what we need in it: Python, git, and a user for commands."""
    python = None if re.search(r"(?:^|/)python:", name) else _PYTHON
    return (
        modal.Image.from_registry(name, add_python=python)
        .apt_install("git", "ripgrep")
        .run_commands(f"id -u agent || useradd --uid {USER} --create-home --shell /bin/bash agent")
    )


async def _end_late(making: "asyncio.Task[ModalSandbox]") -> None:
    """End what comes of a request that nobody waits for; the run's end finds what comes later."""
    done, _ = await asyncio.wait([making], timeout=_LATE_S)
    if done and not making.exception():
        await making.result().end()
    making.cancel()


async def _mapped_pieces(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with mapped_errors():
        async for piece in stream:
            yield piece


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Modal's errors, and those of the way to it, as ours."""
    try:
        yield
    except MODAL_ERRORS as error:
        raise map_error(error) from error


def map_error(error: BaseException) -> SandboxError:
    """What an error of Modal's means here: refused, used up, or lost on the way."""
    said = f"{type(error).__name__}: {error}".rstrip(": ")[:300]
    match error:
        case _ if isinstance(error, _REFUSED):
            return SandboxUnavailable(f"Modal refused a Sandbox: {said}", _SIGN_IN)
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
