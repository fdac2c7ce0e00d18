"""Mounts: the local files that a deployment adds to its containers."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from modal_proto import api_pb2 as pb

from tests.modal_plane.containers.rootfs import Bind
from tests.modal_plane.ids import new_id
from tests.modal_plane.storage.blobs import Blobs

_FOR_BUILDS = "/opt/"
"""What is below it is used as an image is built, and by nobody later."""


class Mounts:
    """The files of a deployment are written once, and mounted in each of its containers.

    They are writable there for the sake of compiled modules alone.
    """

    def __init__(self, folder: Path, blobs: Blobs) -> None:
        self.files: dict[str, dict[str, str]] = {}
        self._contents: dict[str, bytes] = {}
        self._written: dict[Path, list[Bind]] = {}
        self._folders: dict[frozenset[tuple[str, str]], Path] = {}
        self._folder = folder
        self._blobs = blobs

    def binds(self, mount_ids: Iterable[str]) -> list[Bind]:
        """Where the mounted files are, by each second folder of their paths."""
        folder = self.folder(mount_ids)
        if folder not in self._written:
            self._written[folder] = self._write(self._together(mount_ids), folder)
        return self._written[folder]

    def folder(self, mount_ids: Iterable[str]) -> Path:
        """Where the files are that are mounted together: one folder for those that are the same."""
        key = frozenset(self._together(mount_ids).items())
        return self._folders.setdefault(key, self._folder / str(len(self._folders)))

    def _together(self, mount_ids: Iterable[str]) -> dict[str, str]:
        every = (entry for mount_id in mount_ids for entry in self.files[mount_id].items())
        return {name: file for name, file in every if not name.startswith(_FOR_BUILDS)}

    def _write(self, files: dict[str, str], root: Path) -> list[Bind]:
        targets: dict[str, Bind] = {}
        for name, digest in files.items():
            path = root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._contents[digest])
            target = "/" + "/".join(PurePosixPath(name).parts[1:3])
            targets[target] = Bind(root / target.lstrip("/"), target)
        return list(targets.values())

    def names(self, mount_ids: Iterable[str]) -> set[str]:
        """The mounted files' paths, for assertions."""
        return {name for mount_id in mount_ids for name in self.files[mount_id]}

    async def mount_batched_check_existence(
        self, request: pb.MountBatchedCheckExistenceRequest
    ) -> pb.MountBatchedCheckExistenceResponse:
        missing = [digest for digest in request.sha256_hex_hashes if digest not in self._contents]
        return pb.MountBatchedCheckExistenceResponse(missing_sha256_hex_hashes=missing)

    async def mount_put_file(self, request: pb.MountPutFileRequest) -> pb.MountPutFileResponse:
        given = request.WhichOneof("data_oneof")
        if given == "data":
            self._contents[request.sha256_hex] = request.data
        elif given == "data_blob_id":
            self._contents[request.sha256_hex] = self._blobs.kept[request.data_blob_id]
        return pb.MountPutFileResponse(exists=request.sha256_hex in self._contents)

    async def mount_get_or_create(
        self, request: pb.MountGetOrCreateRequest
    ) -> pb.MountGetOrCreateResponse:
        mount_id = new_id("mo")
        self.files[mount_id] = {file.filename: file.sha256_hex for file in request.files}
        return pb.MountGetOrCreateResponse(
            mount_id=mount_id,
            handle_metadata=pb.MountHandleMetadata(content_checksum_sha256_hex="0"),
        )
