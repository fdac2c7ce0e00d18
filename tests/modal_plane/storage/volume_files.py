"""A Volume's files as they are read and written from outside: version 2, by whole blocks."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path, PurePosixPath

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from tests.modal_plane.storage.blobs import BLOCK, Blobs
from tests.modal_plane.storage.volumes import Volumes

LIST_BATCH = 100


class VolumeFiles:
    """What is read here is what was committed; what is written here is committed at once."""

    def __init__(self, volumes: Volumes, blobs: Blobs) -> None:
        self._volumes = volumes
        self._blobs = blobs

    async def volume_list_files2(
        self, request: pb.VolumeListFiles2Request
    ) -> AsyncIterator[pb.VolumeListFiles2Response]:
        root = self._root(request.volume_id)
        entries = list(_entries(root, self._existing(root, request.path), request.recursive))
        if request.max_entries:
            entries = entries[: request.max_entries]
        for start in range(0, len(entries), LIST_BATCH):
            yield pb.VolumeListFiles2Response(entries=entries[start : start + LIST_BATCH])

    async def volume_get_file2(
        self, request: pb.VolumeGetFile2Request
    ) -> pb.VolumeGetFile2Response:
        path = self._existing(self._root(request.volume_id), request.path)
        if path.is_dir():
            raise GRPCError(Status.INVALID_ARGUMENT, f"{request.path} is a folder")
        content = path.read_bytes()
        start = min(request.start, len(content))
        end = min(start + request.len, len(content)) if request.len else len(content)
        urls = []
        position = start
        while position < end:
            block_end = min(end, (position // BLOCK + 1) * BLOCK)
            urls.append(self._blobs.keep(content[position:block_end]))
            position = block_end
        return pb.VolumeGetFile2Response(
            get_urls=urls, size=len(content), start=start, len=end - start
        )

    async def volume_put_files2(
        self, request: pb.VolumePutFiles2Request
    ) -> pb.VolumePutFiles2Response:
        root = self._root(request.volume_id)
        missing = []
        for file_index, file in enumerate(request.files):
            for block_index, block in enumerate(file.blocks):
                name = block.contents_sha256.hex()
                if name not in self._blobs.kept:
                    url = self._blobs.address(name)
                    missing.append(
                        pb.VolumePutFiles2Response.MissingBlock(
                            file_index=file_index, block_index=block_index, put_url=url
                        )
                    )
        if missing:
            return pb.VolumePutFiles2Response(missing_blocks=missing)
        for file in request.files:
            path = self._inside(root, file.path)
            if path.is_dir() or (request.disallow_overwrite_existing_files and path.exists()):
                raise GRPCError(Status.ALREADY_EXISTS, f"{file.path} exists")
        for file in request.files:
            self._write(self._inside(root, file.path), file)
        return pb.VolumePutFiles2Response()

    def _write(self, path: Path, file: pb.VolumePutFiles2Request.File) -> None:
        content = bytearray()
        for index, block in enumerate(file.blocks):
            stored = self._blobs.kept[block.contents_sha256.hex()]
            size = min(BLOCK, file.size - index * BLOCK)
            content += stored.ljust(size, b"\0")  # trailing zeros of a block are not sent
        path.parent.mkdir(parents=True, exist_ok=True)
        arriving = path.with_name(f".{path.name}.arriving")
        arriving.write_bytes(content)
        arriving.chmod(file.mode & 0o777 or 0o644)
        arriving.replace(path)

    async def volume_remove_file2(self, request: pb.VolumeRemoveFile2Request) -> None:
        root = self._root(request.volume_id)
        path = self._existing(root, request.path)
        if not path.is_dir() or path.is_symlink():
            path.unlink()
        elif request.recursive:
            shutil.rmtree(path)
        else:
            raise GRPCError(Status.INVALID_ARGUMENT, f"{request.path} is a folder: not recursive")

    async def volume_copy_files2(self, request: pb.VolumeCopyFiles2Request) -> None:
        root = self._root(request.volume_id)
        target = self._inside(root, request.dst_path)
        if len(request.src_paths) > 1 and not target.is_dir():
            raise GRPCError(Status.INVALID_ARGUMENT, f"{request.dst_path} is not a folder")
        for name in request.src_paths:
            source = self._existing(root, name)
            to = target / source.name if target.is_dir() else target
            if not to.parent.is_dir():
                raise GRPCError(Status.NOT_FOUND, f"{request.dst_path}: no such folder")
            if not source.is_dir():
                shutil.copy2(source, to)
            elif request.recursive:
                shutil.copytree(source, to, symlinks=True, dirs_exist_ok=True)
            else:
                raise GRPCError(Status.INVALID_ARGUMENT, f"{name} is a folder: not recursive")

    def _root(self, volume_id: str) -> Path:
        volume = self._volumes.by_id[volume_id]
        if volume.version != pb.VOLUME_FS_VERSION_V2:
            raise GRPCError(Status.FAILED_PRECONDITION, f"Volume {volume.name!r} is not version 2")
        return volume.files

    def _inside(self, root: Path, name: str) -> Path:
        parts = PurePosixPath(name.lstrip("/")).parts
        if ".." in parts:
            raise GRPCError(Status.INVALID_ARGUMENT, f"{name} leaves the Volume")
        return root.joinpath(*parts)

    def _existing(self, root: Path, name: str) -> Path:
        path = self._inside(root, name)
        if not path.is_symlink() and not path.exists():
            raise GRPCError(Status.NOT_FOUND, f"{name} not found")
        return path


def _entries(root: Path, start: Path, recursive: bool) -> Iterator[pb.FileEntry]:
    if not start.is_dir() or start.is_symlink():
        yield _entry(root, start)
        return
    for path in sorted(start.iterdir()):
        if path.name.endswith(".arriving"):
            continue
        yield _entry(root, path)
        if recursive and path.is_dir() and not path.is_symlink():
            yield from _entries(root, path, recursive)


def _entry(root: Path, path: Path) -> pb.FileEntry:
    stat = os.lstat(path)
    kind = pb.FileEntry.FileType.FILE
    if path.is_symlink():
        kind = pb.FileEntry.FileType.SYMLINK
    elif path.is_dir():
        kind = pb.FileEntry.FileType.DIRECTORY
    return pb.FileEntry(
        path=str(path.relative_to(root)), type=kind, mtime=int(stat.st_mtime), size=stat.st_size
    )
