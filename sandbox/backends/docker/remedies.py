"""What to do where docker's sandbox cannot be had, by what its program or daemon said."""

import re

GIT_IMAGE = (
    "The image needs bash, git, coreutils, and perl or Python: "
    "printf 'FROM {image}\\nRUN apt-get update && "
    "apt-get install -y --no-install-recommends git\\n' | docker build -t coding-agent-sandbox - "
    "and set CODING_AGENT_SANDBOX_IMAGE=coding-agent-sandbox"
)
DOCKER_RIGHTS = "Let this user use docker: sudo usermod -aG docker $USER, then log in again"
DOCKER_DAEMON = "Start docker's daemon on this machine: sudo systemctl start docker"
DOCKER_PATHS = (
    "docker's daemon must run on this machine and see CODING_AGENT_DATA_DIR; in Docker Desktop "
    "share the folder under Settings, Resources, File sharing"
)
DOCKER_USERS = (
    "docker must run containers under their own user ids: use a daemon that is neither rootless "
    "nor started with --userns-remap"
)
LEFT_OPEN = "Do not run untrusted code here. Update docker, then try again: docker version"

_MISSING = re.compile(r"there is no .+ in the sandbox|exec: \"?(timeout|/bin/bash)\"?: ")
_NOT_WRITABLE = "the tree cannot be written in the sandbox"


def docker_remedy(said: str, image: str) -> str:
    """The command that fixes it, or what to change."""
    if _MISSING.search(said):
        return GIT_IMAGE.format(image=image)
    if "permission denied" in said and "docker" in said:
        return DOCKER_RIGHTS
    if "bind source path does not exist" in said or "mounts denied" in said.lower():
        return DOCKER_PATHS
    if _NOT_WRITABLE in said:
        return DOCKER_USERS
    if "was possible" in said or "seccomp" in said:
        return LEFT_OPEN
    return DOCKER_DAEMON
