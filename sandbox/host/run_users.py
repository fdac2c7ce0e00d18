"""The users that runs' trees belong to, where this process is root."""

import os
import pwd
import zlib

from graph.errors import SandboxUnavailable
from sandbox.host.resource_usage import can_become

FIRST_UID, LAST_UID = 30_000, 59_999
"""Between the accounts that distributions make and those of the network."""
KEEPER_UID = FIRST_UID - 1
"""Of the files that trees have in common: no command of a run has it."""


def uid_for_run(run_id: str) -> int | None:
    """A uid without an account for a run's trees; None where this process is not root.

    Blocks. Raises SandboxUnavailable in a container that has no such users.
    """
    if os.geteuid() != 0:
        return None
    uid = FIRST_UID + zlib.crc32(run_id.encode()) % (LAST_UID - FIRST_UID + 1)
    while _is_account(uid):
        uid = FIRST_UID + (uid + 1 - FIRST_UID) % (LAST_UID - FIRST_UID + 1)
    if not can_become(uid):
        raise SandboxUnavailable(
            f"this container has no uid {uid}, or its root cannot become another user",
            f"Start the service as a user other than root, or map the uids {FIRST_UID} to"
            f" {LAST_UID} into the container and leave it CHOWN, SETUID and SETGID.",
        )
    return uid


def command_uid(uid: int | None) -> int:
    """The uid of the commands on a tree. Raises SandboxUnavailable where it cannot be had."""
    own = os.geteuid()
    user = own if uid is None else uid
    if own not in {0, user}:
        raise SandboxUnavailable(f"only root can run commands as uid {user}")
    if user == 0:
        raise SandboxUnavailable(
            "started by root, a sandbox needs a uid other than root",
            "Give attach the uid that uid_for_run names.",
        )
    return user


def _is_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
