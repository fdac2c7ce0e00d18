"""One Sandbox: a container of one command, the commands run in it, and how it ends."""

import asyncio
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from tests.modal_plane.containers.rootfs import RootFs, first_process, map_users
from tests.modal_plane.sandboxes.command_exec import ERR, Exec, start
from tests.modal_plane.storage.volumes import VolumeCopy

FOREVER = ("sleep", "2147483647")
READY = 'echo; exec "$@"'


@dataclass
class Sandbox:
    """One Sandbox and the request that made it; `result` is there once it has ended."""

    sandbox_id: str
    task_id: str
    request: pb.SandboxCreateV2Request
    files: RootFs
    copies: dict[str, VolumeCopy]
    env: dict[str, str]
    working_dir: str
    name: str
    tags: dict[str, str]
    created: float = field(default_factory=time.time)
    used: float = field(default_factory=time.monotonic)
    execs: dict[str, Exec] = field(default_factory=dict)
    lost: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    result: pb.GenericResult | None = None
    main: Exec | None = None
    inner: int = 0

    @property
    def definition(self) -> pb.Sandbox:
        return self.request.definition

    @property
    def blocked(self) -> bool:
        """Whether it has no network at all."""
        kind = self.definition.network_access.network_access_type
        return kind == pb.NetworkAccess.NetworkAccessType.BLOCKED

    @property
    def allowed_domains(self) -> list[str]:
        return list(self.definition.network_access.allowed_domains)

    @property
    def written(self) -> int:
        """Bytes that were sent to its commands."""
        return sum(known.written for known in self.execs.values())

    def busy(self) -> bool:
        return any(known.code is None for known in self.execs.values())

    def info(self) -> pb.SandboxInfo:
        return pb.SandboxInfo(
            id=self.sandbox_id,
            created_at=self.created,
            app_id=self.request.app_id,
            name=self.name,
            image_id=self.definition.image_id,
            timeout_secs=self.definition.timeout_secs,
            idle_timeout_secs=self.definition.idle_timeout_secs,
            task_info=pb.TaskInfo(id=self.task_id, result=self.result),
            tags=tag_messages(self.tags),
            metadata=self.metadata(),
        )

    def metadata(self) -> pb.SandboxHandleMetadata:
        return pb.SandboxHandleMetadata(app_id=self.request.app_id, result=self.result)

    async def start(self) -> None:
        """Start the Sandbox's own command, and wait until its container is there."""
        command = self.definition.entrypoint_args or FOREVER
        told, tell = os.pipe()
        mapped, map_ready = os.pipe()
        has_users = self.files.users and os.geteuid() == 0
        words = self.files.command(
            ["sh", "-c", READY, "sh", *command],
            working_dir=self.working_dir,
            info=tell,
            mapped=mapped if has_users else None,
        )
        self.main = await start(words, words[-len(command) :], self.env, keep=[tell, mapped])
        os.close(tell)
        os.close(mapped)
        self.inner = await asyncio.to_thread(first_process, told)
        if self.inner and has_users:
            map_users(self.inner)
        os.close(map_ready)
        if not await self.main.begins():
            wrote = self.main.streams[ERR].data.decode(errors="replace")
            raise GRPCError(Status.INTERNAL, f"the Sandbox does not start: {wrote}")

    def enter(self, command: Sequence[str], working_dir: str) -> list[str]:
        """The command that runs `command` inside."""
        into = ["nsenter", "--target", str(self.inner), "--user", "--preserve-credentials"]
        into += ["--mount", "--pid"]
        if not self.files.network:  # the machine's own network is not for all to enter
            into.append("--net")
        return [*into, "--", "sh", "-c", 'cd "$0" && exec "$@"', working_dir, *command]

    def touch(self) -> None:
        """It was used: its idle time begins anew."""
        self.used = time.monotonic()

    async def watch(self) -> None:
        """End it when its command ends, its time is over, or it was idle for too long."""
        assert self.main is not None
        code = asyncio.create_task(self.main.wait())
        try:
            while self.result is None:
                reason, left = self._limit()
                await asyncio.wait([code], timeout=left)
                if code.done():
                    await self.end(_ended(code.result()))
                elif self._limit()[1] <= 0:
                    await self.end(pb.GenericResult(status=reason))
        finally:
            code.cancel()

    def _limit(self) -> tuple[pb.GenericResult.GenericStatus.ValueType, float]:
        """Which limit ends it first, and in how many seconds."""
        timeout = pb.GenericResult.GENERIC_STATUS_TIMEOUT
        left = self.created + self.definition.timeout_secs - time.time()
        idle = self.definition.idle_timeout_secs
        if not idle:
            return timeout, left
        if self.busy():
            self.touch()
        idle_left = self.used + idle - time.monotonic()
        if idle_left < left:
            return pb.GenericResult.GENERIC_STATUS_TERMINATED, idle_left
        return timeout, left

    def reading(self) -> list[asyncio.Task[None]]:
        """What has yet to see the end of its processes and of what they wrote."""
        processes = [*self.execs.values(), *([self.main] if self.main else [])]
        return [task for each in processes for task in each.tasks if not task.done()]

    async def end(self, result: pb.GenericResult, *, commit: bool = True) -> None:
        """End it: every process in it ends, and its Volumes are committed."""
        if self.result is not None:
            return
        self.result = result
        if self.main is not None:
            self.main.kill()
            await self.main.wait()
        for known in self.execs.values():
            known.kill()
        if commit:
            for copy in self.copies.values():
                copy.commit()
        self.ended.set()


def _ended(code: int) -> pb.GenericResult:
    status = pb.GenericResult.GENERIC_STATUS_SUCCESS
    if code:
        status = pb.GenericResult.GENERIC_STATUS_FAILURE
    return pb.GenericResult(status=status, exitcode=code if code >= 0 else 128 - code)


def tag_messages(tags: dict[str, str]) -> list[pb.SandboxTag]:
    return [pb.SandboxTag(tag_name=name, tag_value=value) for name, value in tags.items()]


def tag_values(tags: Iterable[pb.SandboxTag]) -> dict[str, str]:
    return {tag.tag_name: tag.tag_value for tag in tags}
