"""Lines that a person types at a question."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self


class TypedLines:
    """Lines as the terminal gives them on, without a thread that could not be stopped."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)

    async def next(self) -> str | None:
        """The next line; None at the end of the input."""
        chunk = await self._chunks.get()
        return chunk.decode("utf-8", "replace") if chunk else None

    @contextmanager
    def left_to_others(self) -> Iterator[None]:
        """What is typed while the block runs is another program's."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        try:
            yield
        finally:
            self._listen()

    def _listen(self) -> None:
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def _read(self) -> None:
        self._chunks.put_nowait(os.read(self._descriptor, 65536))
