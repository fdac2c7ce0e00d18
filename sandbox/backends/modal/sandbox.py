"""One Sandbox of Modal, and the processes in it, whose time is limited by who waits for them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress

import modal
from modal.container_process import ContainerProcess
from modal.exception import NotFoundError

from sandbox.backends.modal.errors import mapped_errors, modal_call

_SNAPSHOT_S, _SLACK_S = 300, 60
_KEPT_S = 7 * 24 * 3600
"""What a set-up installs may have newer versions: after this time it is made anew."""
_TIMED_OUT = -1


class ModalProcess:
    """A process in a Sandbox."""

    def __init__(self, process: "ContainerProcess[bytes]") -> None:
        self._process = process

    def stdout(self) -> AsyncIterator[bytes]:
        return _mapped_pieces(self._process.stdout)

    def stderr(self) -> AsyncIterator[bytes]:
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

    @property
    def id(self) -> str:
        return self._sandbox.object_id

    async def start(self, argv: Sequence[str], *, timeout_s: int | None) -> ModalProcess:
        with mapped_errors():
            return ModalProcess(await self._sandbox.exec.aio(*argv, timeout=timeout_s, text=False))

    async def runs(self) -> bool:
        async with modal_call():
            return await self._sandbox.poll.aio() is None

    async def tags(self) -> dict[str, str]:
        async with modal_call():
            return dict(await self._sandbox.get_tags.aio())

    async def mark(self, tags: Mapping[str, str]) -> None:
        """Give it these tags in place of those it had; what runs in it cannot change them."""
        async with modal_call():
            await self._sandbox.set_tags.aio(dict(tags))

    async def snapshot(self, within_s: int = _SNAPSHOT_S) -> str:
        """The id of an image of its files."""
        async with modal_call(within_s + _SLACK_S):
            image = await self._sandbox.snapshot_filesystem.aio(within_s, ttl=_KEPT_S)
            return image.object_id

    async def end(self) -> None:
        """Everything in it is killed, and it is gone; nothing happens where it is already."""
        async with modal_call():
            with suppress(NotFoundError):
                await self._sandbox.terminate.aio(wait=True)


async def _mapped_pieces(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with mapped_errors():
        async for piece in stream:
            yield piece
