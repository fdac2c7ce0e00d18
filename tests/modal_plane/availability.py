"""Whether containers can be made on this machine."""

import os
import shutil
import subprocess
from functools import cache

import pytest

TRIAL = ("bwrap", "--unshare-user", "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/", "true")


@cache
def missing() -> str:
    """What is missing, in words; nothing where containers can be made."""
    for program in ("bwrap", "nsenter"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    done = subprocess.run(TRIAL, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"no user namespaces: {done.stderr.strip()}"


def need_containers() -> None:
    """Skip a test where no container can be made; a machine that checks changes must be able to."""
    reason = missing()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
