"""Volumes: committed files in a store, and each container's own copy of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from tests.modal_plane.containers.rootfs import Bind
from tests.modal_plane.ids import new_id
from tests.modal_plane.storage.folder_manifest import (
    FOLDER,
    Manifest,
    copy,
    manifest,
    mark_of,
    remove,
)


@dataclass
class Volume:
    volume_id: str
    name: str
    version: pb.VolumeFsVersion.ValueType
    files: Path

    def metadata(self) -> pb.VolumeMetadata:
        return pb.VolumeMetadata(version=self.version, name=self.name)


class VolumeCopy:
    """One container's view of a Volume: changes reach others at commit, theirs arrive at reload."""

    def __init__(self, volume: Volume, work: Path) -> None:
        self.volume = volume
        self.work = work
        self.base: Manifest = {}
        self._seen: Manifest = {}
        self.commits = 0
        self.reloads = 0
        work.mkdir(parents=True)
        self._fetch()

    def commit(self) -> None:
        """Bring this container's changes to the store; the last writer of a file wins."""
        store, now = self.volume.files, manifest(self.work)
        for name, mark in now.items():
            if self.base.get(name) != mark and copy(name, self.work, store):
                self._seen[name] = mark_of(store / name)
        for name in sorted(self.base.keys() - now.keys(), reverse=True):
            remove(name, store)
        self.base = now
        self.commits += 1

    def reload(self) -> None:
        """Bring the store's changes here; what is uncommitted here stays, and stays uncommitted."""
        self._fetch()
        self.reloads += 1

    def _fetch(self) -> None:
        store, now = self.volume.files, manifest(self.work)
        theirs = manifest(store)
        changed_here = {name for name in now if self.base.get(name) != now[name]}
        changed_here |= self.base.keys() - now.keys()
        for name, mark in theirs.items():
            if name not in changed_here and (self._seen.get(name) != mark or name not in now):
                copy(name, store, self.work)
        for name in sorted(now.keys() - theirs.keys() - changed_here, reverse=True):
            remove(name, self.work)
        self._seen = theirs
        after = manifest(self.work)
        self.base = {
            **{name: mark for name, mark in after.items() if name not in changed_here},
            **{name: mark for name, mark in self.base.items() if name in changed_here},
        }

    def open_by(self, processes: Iterable[int]) -> str:
        """A file of this copy that one of `processes` holds open or stands in, else nothing."""
        inodes = {self._inode(self.work): "."}
        for name, mark in manifest(self.work).items():
            if mark == FOLDER or not (self.work / name).is_symlink():
                inodes[self._inode(self.work / name)] = name
        for process in processes:
            for link in _held(process):
                try:
                    found = inodes.get(self._inode(link))
                except OSError:  # the file was closed, or the process ended, in this moment
                    continue
                if found is not None:
                    return found
        return ""

    def _inode(self, path: Path) -> tuple[int, int]:
        stat = path.stat()
        return stat.st_dev, stat.st_ino


def _held(process: int) -> list[Path]:
    """The links to what a process holds open, and to the folder it stands in."""
    of = Path(f"/proc/{process}")
    try:
        return [of / "cwd", *(of / "fd").iterdir()]
    except OSError:  # it ended in this moment
        return []


class Volumes:
    """Every Volume there is; `background`, where set, is every how many seconds all is committed.

    Modal may commit at any moment; without it a missing commit shows, with it a torn one. With
    `reload_on_commit` its client is told to reload after each commit.
    """

    def __init__(self, folder: Path) -> None:
        self.by_id: dict[str, Volume] = {}
        self.by_name: dict[str, str] = {}
        self.background: float | None = None
        self.reload_on_commit = False
        self._folder = folder

    def named(self, name: str) -> Volume:
        return self.by_id[self.by_name[name]]

    def mount(
        self, mounts: Iterable[pb.VolumeMount], folder: Path
    ) -> tuple[dict[str, VolumeCopy], list[Bind]]:
        """A container's copies of its Volumes, and where they are mounted."""
        copies: dict[str, VolumeCopy] = {}
        binds: list[Bind] = []
        for mount in mounts:
            if mount.volume_id not in copies:
                volume = self.by_id[mount.volume_id]
                copies[mount.volume_id] = VolumeCopy(volume, folder / mount.volume_id)
            source = copies[mount.volume_id].work / mount.sub_path.lstrip("/")
            source.mkdir(parents=True, exist_ok=True)
            binds.append(Bind(source, mount.mount_path, mount.read_only))
        return copies, binds

    async def volume_get_or_create(
        self, request: pb.VolumeGetOrCreateRequest
    ) -> pb.VolumeGetOrCreateResponse:
        volume = self._get_or_create(request)
        return pb.VolumeGetOrCreateResponse(
            volume_id=volume.volume_id, version=volume.version, metadata=volume.metadata()
        )

    def _get_or_create(self, request: pb.VolumeGetOrCreateRequest) -> Volume:
        name, wanted = request.deployment_name, request.object_creation_type
        if name in self.by_name:
            if wanted == pb.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS:
                raise GRPCError(Status.ALREADY_EXISTS, f"Volume {name!r} exists")
            return self.by_id[self.by_name[name]]
        if wanted == pb.OBJECT_CREATION_TYPE_UNSPECIFIED:
            raise GRPCError(Status.NOT_FOUND, f"Volume {name!r} not found")
        volume_id = new_id("vo")
        version = request.version or pb.VOLUME_FS_VERSION_V1
        volume = Volume(volume_id, name, version, self._folder / volume_id)
        volume.files.mkdir(parents=True)
        self.by_id[volume_id] = volume
        if name:
            self.by_name[name] = volume_id
        return volume

    async def volume_get_by_id(self, request: pb.VolumeGetByIdRequest) -> pb.VolumeGetByIdResponse:
        volume = self.by_id[request.volume_id]
        return pb.VolumeGetByIdResponse(volume_id=volume.volume_id, metadata=volume.metadata())

    async def volume_heartbeat(self, request: pb.VolumeHeartbeatRequest) -> None:
        """An ephemeral Volume lives as long as the plane."""

    async def volume_rename(self, request: pb.VolumeRenameRequest) -> None:
        volume = self.by_id[request.volume_id]
        self.by_name.pop(volume.name, None)
        volume.name = request.name
        self.by_name[request.name] = volume.volume_id

    async def volume_delete(self, request: pb.VolumeDeleteRequest) -> None:
        volume = self.by_id.pop(request.volume_id)
        self.by_name.pop(volume.name, None)
