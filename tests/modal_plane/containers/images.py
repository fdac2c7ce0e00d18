"""Images: not built, but their environment, working folder and snapshots are kept."""

import asyncio
import hashlib
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from tests.modal_plane.containers.rootfs import MOUNTED
from tests.modal_plane.ids import new_id


@dataclass
class Layout:
    """What an image says of the containers made from it."""

    env: dict[str, str] = field(default_factory=dict)
    working_dir: str = ""


async def copy_tree(source: Path, target: Path) -> None:
    """Copy a container's own files as they are, without what is mounted in it."""
    target.mkdir(parents=True, exist_ok=True)
    own = [str(path) for path in source.iterdir() if f"/{path.name}" not in MOUNTED]
    copying = await asyncio.create_subprocess_exec(
        "cp", "--archive", "--target-directory", str(target), *own, stderr=asyncio.subprocess.PIPE
    )
    _, wrote = await copying.communicate()
    if copying.returncode:
        raise GRPCError(Status.INTERNAL, f"no snapshot: {wrote.decode(errors='replace')}")


class Images:
    def __init__(self, folder: Path) -> None:
        self.definitions: dict[str, pb.Image] = {}
        self.snapshots: dict[str, Path] = {}
        self.origins: dict[str, str] = {}
        self._folder = folder

    def layout(self, image_id: str) -> Layout:
        """The environment and the working folder that the image's commands set."""
        found = Layout()
        image_id = self.origins.get(image_id, image_id)
        definition = self.definitions.get(image_id, pb.Image())
        for base in definition.base_images:
            under = self.layout(base.image_id)
            found.env.update(under.env)
            found.working_dir = under.working_dir or found.working_dir
        for command in definition.dockerfile_commands:
            word, _, rest = command.partition(" ")
            if word == "ENV":
                name, value = rest.split("=", 1)
                found.env[name] = (shlex.split(value) or [""])[0]
            elif word == "WORKDIR":
                found.working_dir = shlex.split(rest)[0]
        return found

    def commands(self, image_id: str) -> list[str]:
        """Every build command of the image and of those under it, for assertions."""
        definition = self.definitions.get(self.origins.get(image_id, image_id), pb.Image())
        under = [line for base in definition.base_images for line in self.commands(base.image_id)]
        return [*under, *definition.dockerfile_commands]

    def copied(self, image_id: str) -> list[str]:
        """The ids of the mounts whose files are in the image and in those under it."""
        definition = self.definitions.get(self.origins.get(image_id, image_id), pb.Image())
        under = [mount for base in definition.base_images for mount in self.copied(base.image_id)]
        return [*under, *filter(None, [definition.context_mount_id])]

    async def snapshot(self, root: Path, image_id: str) -> str:
        """Keep a container's own files as a new image; its id."""
        snapshot_id = new_id("im")
        kept = self._folder / snapshot_id
        await copy_tree(root, kept)
        self.snapshots[snapshot_id] = kept
        self.origins[snapshot_id] = self.origins.get(image_id, image_id)
        return snapshot_id

    async def unpack(self, image_id: str, root: Path) -> None:
        """Begin a container's own files with those of the image, where it is a snapshot."""
        if image_id in self.snapshots:
            await copy_tree(self.snapshots[image_id], root)

    def forget(self, image_id: str) -> None:
        """Let a snapshot expire, as its time to live does on Modal."""
        shutil.rmtree(self.snapshots.pop(image_id))
        del self.origins[image_id]

    def require(self, image_id: str) -> None:
        if image_id not in self.definitions and image_id not in self.snapshots:
            raise GRPCError(Status.NOT_FOUND, f"Image {image_id!r} not found")

    async def image_get_or_create(
        self, request: pb.ImageGetOrCreateRequest
    ) -> pb.ImageGetOrCreateResponse:
        written = request.image.SerializeToString(deterministic=True)
        image_id = "im-" + hashlib.sha256(written).hexdigest()[:12]
        self.definitions[image_id] = request.image
        return pb.ImageGetOrCreateResponse(
            image_id=image_id,
            result=pb.GenericResult(status=pb.GenericResult.GENERIC_STATUS_SUCCESS),
            metadata=pb.ImageMetadata(image_builder_version=request.builder_version),
        )

    async def image_from_id(self, request: pb.ImageFromIdRequest) -> pb.ImageFromIdResponse:
        self.require(request.image_id)
        return pb.ImageFromIdResponse(image_id=request.image_id)

    async def image_delete(self, request: pb.ImageDeleteRequest) -> None:
        self.require(request.image_id)
        if request.image_id in self.snapshots:
            self.forget(request.image_id)
