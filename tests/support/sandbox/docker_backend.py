"""The docker backend of tests: on a stand-in for its program, or on a real daemon."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from sandbox.backends.base.backend import BackendOptions, Tree
from sandbox.backends.docker.backend import Docker
from sandbox.backends.docker.cli import docker_environment
from sandbox.backends.docker.sandbox import DockerSandbox
from sandbox.core.protocol import Limits
from sandbox.host.seccomp_tables import compile_filter
from tests.standins import docker
from tests.standins.docker import IMAGE
from tests.support.sandbox.local_tree import make_tree

REAL_IMAGE = "coding-agent-sandbox"
SECRET = "canary-of-the-service"


def on_stand_in(data: Path, limits: Limits, **broken: str) -> BackendOptions:
    """Its program is in `data / "programs"`; it is started with what no container may see."""
    programs = data / "programs"
    if not programs.exists():
        docker.install(programs, compile_filter(), **broken)
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "SECRET": SECRET}
    return BackendOptions(
        limits=limits, state=data / "state", image=IMAGE, docker_environment=environment
    )


def on_daemon(data: Path, limits: Limits) -> BackendOptions:
    """The daemon of this machine, with an image that has bash and git."""
    environment = docker_environment(os.environ.get("DOCKER_HOST"))
    return BackendOptions(
        limits=limits, state=data / "state", image=REAL_IMAGE, docker_environment=environment
    )


def any_docker(data: Path, limits: Limits) -> Docker:
    """On a daemon where there is one, else on the stand-in."""
    return Docker((on_stand_in if no_daemon() else on_daemon)(data, limits))


def opened(backend: Docker, data: Path, name: str = "tree") -> DockerSandbox:
    """A new empty tree, and a sandbox on it."""
    uid = backend.uid_for_run(name)
    return backend.attach(Tree(make_tree(data / name, uid), None, uid))


@cache
def no_daemon() -> str:
    """Why no real docker can be tried, or nothing: it is optional, no machine has to have it."""
    program = shutil.which("docker")
    if program is None:
        return "docker is optional, and not installed here"
    words = [program, "image", "inspect", REAL_IMAGE]
    asked = subprocess.run(words, capture_output=True, text=True, check=False)
    said = asked.stderr.strip()
    return f"docker is optional, and there is no {REAL_IMAGE} here: {said}" if said else ""
