"""The objects of a base as a stream: one tar of the files that git keeps them in, as they are."""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from graph.errors import SandboxError

_OBJECTS = re.compile(r"pack/pack-[0-9a-f]+\.(?:pack|idx|rev)|[0-9a-f]{2}/[0-9a-f]+")
_PIECE = 1 << 20
_BLOCK = 512


@dataclass(frozen=True)
class BaseObjects:
    """Files by their names below `objects`, and what the tar of them takes."""

    files: tuple[tuple[str, Path, int], ...]

    @classmethod
    def of(cls, objects: Path) -> "BaseObjects":
        """Those in a folder of objects. Blocks. Raises SandboxError."""
        if not objects.is_dir():
            raise SandboxError(f"There is no folder {objects}: the run has no base.")
        found = []
        for path in sorted(objects.glob("*/*")):
            name = path.relative_to(objects).as_posix()
            if _OBJECTS.fullmatch(name) and path.is_file():
                found.append((name, path, path.stat().st_size))
        return cls(tuple(found))

    @property
    def size(self) -> int:
        return sum(_BLOCK + size + -size % _BLOCK for _, _, size in self.files) + 2 * _BLOCK

    def pieces(self) -> Iterator[bytes]:
        """The tar, piece by piece. Blocks. Raises SandboxError where a file is not what it was."""
        for name, path, size in self.files:
            head = tarfile.TarInfo(name)
            head.size = size
            head.mode = 0o444
            yield head.tobuf(tarfile.USTAR_FORMAT)
            left = size
            with path.open("rb") as file:
                while left:
                    data = file.read(min(left, _PIECE))
                    if not data:
                        raise SandboxError(f"An object file of the base became shorter: {name}")
                    left -= len(data)
                    yield data
            yield bytes(-size % _BLOCK)
        yield bytes(2 * _BLOCK)
