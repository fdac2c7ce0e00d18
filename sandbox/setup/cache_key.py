"""The names of set-up results: of all that the set-up may have read."""

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256

from graph import Base, FolderCommand
from sandbox.egress.allowlist import SetupHost

_FORM = 1


def setup_key(
    base: Base,
    change: str,
    commands: Sequence[FolderCommand],
    *,
    toolchain: object,
    hosts: Iterable[SetupHost],
) -> str:
    """`change` is its digest, empty for the untouched base."""
    read = [
        _FORM,
        base.address,
        base.sha,
        change,
        [command.shell for command in commands],
        toolchain,
        [str(host) for host in hosts],
    ]
    return sha256(json.dumps(read).encode()).hexdigest()
