"""Untrusted commands in containers of a docker daemon of this machine, one for each command.

For machines without bubblewrap, and for those whose daemon has a stronger runtime than its own for
default, such as `runsc`. It takes a few tenths of a second a command where bubblewrap takes 15 ms.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graph.errors import SandboxUnavailable
from graph.files import write_whole
from sandbox.backends.docker.argv import Bind, container_line, tree_binds
from sandbox.backends.docker.cli import TOLD, DockerCli
from sandbox.backends.docker.sandbox import DockerSandbox
from sandbox.backends.docker.seccomp_profile import profile_file
from sandbox.core.protocol import Limits
from sandbox.core.shell_command import NOTHING
from sandbox.egress.forwarder import FILES, Outlet
from sandbox.host.orphans import is_gone, process_name
from sandbox.host.remedies import docker_remedy
from sandbox.host.resource_watch import TreeSize
from sandbox.host.run_users import command_uid, uid_for_run
from sandbox.host.tool_paths import check_tool_paths

LABEL = "coding-agent.service"
"""On every container: the service that made it."""

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Docker:
    """The backend. Raises SandboxUnavailable where program, daemon or image are not there."""

    name = "docker"

    def __init__(
        self,
        *,
        limits: Limits,
        state: Path,
        image: str,
        environment: Mapping[str, str],
        tool_paths: tuple[Path, ...] = (),
    ) -> None:
        """`environment` is the `docker` program's own: its PATH, and where its daemon is."""
        self.limits = limits
        self.state = state
        self.image = image
        self.tool_paths = tool_paths
        self._environment = environment
        program = shutil.which("docker", path=environment.get("PATH", SYSTEM_PATH))
        if program is None:
            raise SandboxUnavailable(
                "docker is not installed", "Install it: https://docs.docker.com/engine/install/"
            )
        self._cli = DockerCli(program, environment)
        self.state.mkdir(parents=True, exist_ok=True)
        check_tool_paths(tool_paths, state)
        self._daemon = self._ask_daemon()
        self._image_id, self._image_path = self._ask_image()

    @property
    def filters_calls(self) -> bool:
        """gVisor answers calls itself, and looks at no filter."""
        return "runsc" not in str(self._daemon["DefaultRuntime"])

    @property
    def told(self) -> str:
        """Which docker this is, in words for people."""
        daemon = self._daemon
        return (
            f"docker {daemon['ServerVersion']}, runtime {daemon['DefaultRuntime']}, "
            f"image {self.image}"
        )

    def limited(self, limits: Limits) -> "Docker":
        return Docker(
            limits=limits,
            state=self.state,
            image=self.image,
            environment=self._environment,
            tool_paths=self.tool_paths,
        )

    @property
    def toolchain(self) -> str:
        return "\n".join([self._image_id, *map(str, self.tool_paths)])

    def attach(
        self,
        folder: Path,
        base_objects: Path | None,
        uid: int | None,
        outlet: Outlet | None = None,
    ) -> DockerSandbox:
        """Raises SandboxUnavailable where `uid` does not fit."""
        uid = command_uid(uid)
        user = (uid, uid if uid is not None else os.getegid())
        line = container_line(
            image=self._image_id,
            path=self._image_path,
            user=user,
            label=f"{LABEL}={process_name(os.getpid())}",
            limits=self.limits,
            binds=[*tree_binds(folder, base_objects), *self._accounts(user)],
            tool_paths=self.tool_paths,
            calls=profile_file(self.state),
            outlet=outlet,
        )
        size = TreeSize(folder, self.limits.disk_mb << 20)
        always = FILES if outlet else NOTHING
        return DockerSandbox(
            self._cli, line, size, limits=self.limits, state=self.state, always=always
        )

    def uid_for_run(self, run_id: str) -> int | None:
        return uid_for_run(run_id)

    def identity(self) -> list[object]:
        filtered = profile_file(self.state).name
        return [self._daemon, self._image_id, filtered, *map(str, self.tool_paths)]

    def remedy(self, said: str) -> str:
        return docker_remedy(said, self.image)

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
        told = self._cli.ask("info", "--format={{json .}}")
        info = _json(told.stdout)
        if told.returncode != 0 or not info.get("ServerVersion"):
            said = info.get("ServerErrors") or told.stderr.strip()[-TOLD:]
            raise SandboxUnavailable(
                f"docker's daemon does not answer: {said}", docker_remedy(str(said), self.image)
            )
        return {key: info.get(key) for key in ("ServerVersion", "DefaultRuntime", "ID")}

    def _ask_image(self) -> tuple[str, str]:
        """The image's own name and its PATH."""
        told = self._cli.ask("image", "inspect", "--format={{json .}}", self.image)
        found = _json(told.stdout)
        if told.returncode != 0 or "Id" not in found:
            raise SandboxUnavailable(
                f"the image {self.image} is not on this machine", f"docker pull {self.image}"
            )
        pairs = [entry.partition("=") for entry in (found.get("Config") or {}).get("Env") or ()]
        paths = [value for name, _, value in pairs if name == "PATH"]
        return found["Id"], paths[-1] if paths else SYSTEM_PATH

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
