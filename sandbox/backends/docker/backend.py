"""Untrusted commands in containers of a docker daemon of this machine.

For machines without bubblewrap, and for those whose daemon has a stronger runtime than its own for
default, such as `runsc`. A command has a container to itself. One whose fork server started it
takes about as long as under bubblewrap, and is used again; a new one takes some 0.4 s.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from graph.errors import SandboxLost, SandboxUnavailable
from graph.files import write_whole
from sandbox.backends.base.backend import BackendOptions, Tree
from sandbox.backends.base.local_backend import LocalBackend
from sandbox.backends.base.trial_result import TrialResult
from sandbox.backends.container.wire import SERVER_SOURCE
from sandbox.backends.docker.argv import (
    Bind,
    ContainerLine,
    container_line,
    is_read_only,
    tree_binds,
)
from sandbox.backends.docker.cli import DockerCli
from sandbox.backends.docker.remedies import docker_remedy
from sandbox.backends.docker.sandbox import DockerSandbox
from sandbox.backends.docker.seccomp_profile import profile_file
from sandbox.backends.docker.warm_container import WarmContainer, open_warm
from sandbox.backends.docker.warm_containers import WarmContainers
from sandbox.core.protocol import MAX_QUOTED_CHARS
from sandbox.core.shell_command import NOTHING
from sandbox.host.orphans import is_gone, process_name
from sandbox.host.own_tools import provide_uv
from sandbox.host.run_users import command_uid
from sandbox.tree.environment import OWN_TOOLS

_PULL_S = 900.0
LABEL = "coding-agent.service"
"""On every container: the service that made it."""

_RUNTIMES = {"runc", "io.containerd.runc.v2", "crun"}
"""Those on this machine's kernel."""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class _Image:
    """An image of this machine, by the name that stays with its contents, and its PATH.

    With `volumes` a container has folders that the next command in it would find as they were left.
    """

    id: str
    path: str
    volumes: bool = False


class Docker(LocalBackend):
    """The backend. Raises SandboxUnavailable where program, daemon or image are not there."""

    name = "docker"
    has_image = True
    is_warm = True

    def __init__(self, options: BackendOptions) -> None:
        """The environment is the `docker` program's own: its PATH, and where its daemon is."""
        super().__init__(options)
        self._image = options.image
        environment = options.docker_environment
        program = shutil.which("docker", path=environment.get("PATH", SYSTEM_PATH))
        if program is None:
            raise SandboxUnavailable(
                "docker is not installed", "Install it: https://docs.docker.com/engine/install/"
            )
        self._cli = DockerCli(program, environment)
        self._daemon = self._ask_daemon()
        self._images: dict[str, _Image] = {}
        self._own = self._ask_image(self._image)
        self._serves: dict[str, bool] = {}
        """Whether an image can have a fork server, once that is known."""

    @property
    def filters_calls(self) -> bool:
        """gVisor answers calls itself, and looks at no filter."""
        return "runsc" not in str(self._daemon["DefaultRuntime"])

    def describe(self) -> TrialResult:
        daemon = self._daemon
        detail = (
            f"docker {daemon['ServerVersion']}, runtime {daemon['DefaultRuntime']}, "
            f"image {self._image}"
        )
        return TrialResult("backend", held=True, detail=detail)

    @property
    def toolchain(self) -> str:
        return "\n".join([self._own.id, *map(str, self.tool_paths)])

    def take_image(self, image: str) -> str:
        self.options.check_image(image)
        try:
            found = self._ask_image(image)
        except SandboxUnavailable:
            pulled = self._cli.ask("pull", "--quiet", image, seconds=_PULL_S)
            if pulled.returncode != 0:
                said = pulled.stderr.strip()[-MAX_QUOTED_CHARS:]
                raise SandboxUnavailable(
                    f"docker cannot pull {image}: {said}", f"docker pull {image}"
                ) from None
            found = self._ask_image(image)
        self._images[found.id] = found
        return found.id

    def attach(self, tree: Tree) -> DockerSandbox:
        uid = command_uid(tree.uid)
        image = self._image_of(tree)
        user = (uid, uid if tree.uid is not None else os.getegid())
        line = container_line(
            image=image.id,
            path=image.path,
            user=user,
            label=f"{LABEL}={process_name(os.getpid())}",
            limits=self.limits,
            binds=[
                *tree_binds(tree.folder, tree.base_objects),
                *self._accounts(user),
                *self._own_tools(),
            ],
            tool_paths=self.tool_paths,
            calls=profile_file(self.state),
            outlet=tree.outlet,
        )
        parts = [bind.source for bind in tree_binds(tree.folder, None)]
        return DockerSandbox(
            self._cli,
            line,
            self.tree_size(tree),
            parts=parts,
            limits=self.limits,
            state=self.state,
            uid=tree.uid,
            always=tree.outlet.files if tree.outlet else NOTHING,
            warm=None if image.volumes else self._warm(tree, line, parts),
        )

    def _warm(
        self, tree: Tree, line: ContainerLine, parts: Sequence[Path]
    ) -> WarmContainers | None:
        """None for set-up, which has a way out of its own for each command, and where the
        container's root cannot trust its Python: in an image that a repository named, or where
        commands can write to what it is looked for in. Other runtimes tell nothing of memory."""
        is_trusted = not tree.image and is_read_only(line.path)
        is_known = self._daemon["DefaultRuntime"] in _RUNTIMES
        is_cold = not self._serves.get(line.image, True)
        if tree.outlet or not is_trusted or not is_known or is_cold:
            return None
        return WarmContainers(partial(self._open_warm, line, parts))

    async def _open_warm(self, line: ContainerLine, parts: Sequence[Path]) -> WarmContainer | None:
        """None where the image cannot have one: of one that could, a loss says nothing.

        Raises SandboxError.
        """
        try:
            container = await open_warm(self._cli, line, parts)
        except SandboxLost:
            if self._serves.get(line.image):
                raise
            container = None
        self._serves[line.image] = container is not None
        return container

    def identity(self) -> list[object]:
        filtered = profile_file(self.state).name
        server = sha256(SERVER_SOURCE).hexdigest()
        return [self._daemon, self._own.id, filtered, server, *map(str, self.tool_paths)]

    def remedy(self, said: str) -> str:
        return docker_remedy(said, self._image)

    def end_orphans(self) -> None:
        """Remove the containers of services that are no more. Blocks."""
        listed = self._cli.ask(
            *("ps", "--all", "--no-trunc", f"--filter=label={LABEL}"),
            f'--format={{{{.ID}}}} {{{{.Label "{LABEL}"}}}}',
        )
        rows = [row.partition(" ") for row in listed.stdout.splitlines()]
        if gone := [container for container, _, service in rows if is_gone(service)]:
            self._cli.ask("rm", "--force", "--volumes", *gone)

    def _ask_daemon(self) -> dict[str, Any]:
        """Its version and default runtime: with another one, what held must be tried anew."""
        answer = self._cli.ask("info", "--format={{json .}}")
        info = _json(answer.stdout)
        if answer.returncode != 0 or not info.get("ServerVersion"):
            said = info.get("ServerErrors") or answer.stderr.strip()[-MAX_QUOTED_CHARS:]
            raise SandboxUnavailable(
                f"docker's daemon does not answer: {said}", self.remedy(str(said))
            )
        return {key: info.get(key) for key in ("ServerVersion", "DefaultRuntime", "ID")}

    def _image_of(self, tree: Tree) -> "_Image":
        if not tree.image:
            return self._own
        if tree.image not in self._images:
            self._images[tree.image] = self._ask_image(tree.image)
        return self._images[tree.image]

    def _ask_image(self, image: str) -> "_Image":
        """The image's own name and its PATH. Raises SandboxUnavailable: it is not here."""
        answer = self._cli.ask("image", "inspect", "--format={{json .}}", image)
        found = _json(answer.stdout)
        if answer.returncode != 0 or "Id" not in found:
            raise SandboxUnavailable(
                f"the image {image} is not on this machine", f"docker pull {image}"
            )
        config = found.get("Config") or {}
        pairs = [entry.partition("=") for entry in config.get("Env") or ()]
        paths = [value for name, _, value in pairs if name == "PATH"]
        path = paths[-1] if paths else SYSTEM_PATH
        return _Image(found["Id"], path, bool(config.get("Volumes")))

    def _own_tools(self) -> list[Bind]:
        uv = provide_uv(self.state)
        return [Bind(uv, f"{OWN_TOOLS}/uv")] if uv else []

    def _accounts(self, user: tuple[int, int]) -> list[Bind]:
        """An account for the container's user, whom the image does not know."""
        texts = {
            "passwd": "root:x:0:0:root:/root:/usr/sbin/nologin\n"
            f"agent:x:{user[0]}:{user[1]}:agent:/home/agent:/bin/bash\n",
            "group": f"root:x:0:\nagent:x:{user[1]}:\n",
        }
        binds = []
        for name, text in texts.items():
            file = self.state / f"{name}-{user[0]}-{user[1]}"
            if not file.exists():
                write_whole(file, text.encode())
                file.chmod(0o644)
            binds.append(Bind(file, f"/etc/{name}"))
        return binds


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
