"""Mounts: the local files that a deployment adds to its containers."""

from collections.abc import Iterable
from pathlib import Path

from modal_proto import api_pb2 as pb

from tests.modal_plane.blobs import Blobs
from tests.modal_plane.ids import new_id


class Mounts:
    def __init__(self, blobs: Blobs) -> None:
        self.files: dict[str, dict[str, str]] = {}
        self._contents: dict[str, bytes] = {}
        self._blobs = blobs

    def write(self, mount_ids: Iterable[str], root: Path) -> None:
        """Write the mounted files under a container's root."""
        for mount_id in mount_ids:
            for name, digest in self.files[mount_id].items():
                path = root / name.lstrip("/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self._contents[digest])

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
