"""The names of set-up results: of all that the set-up may have read."""

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from graph import Base, Environment, repo_of
from sandbox.egress.allowlist import SetupHost

_OF_REPOSITORY: Final = 16
_OF_KEY: Final = 48


def setup_key(
    base: Base,
    change: str,
    environment: Environment,
    *,
    toolchain: object,
    hosts: Iterable[SetupHost],
) -> str:
    """Begins with what all results of the repository begin with.

    `change` is its digest, empty for the untouched base. An environment whose key is not known
    serves for the base's commit alone, as does one on the head of a pull request.
    """
    commands = [command.shell for command in environment.setup]
    read = [
        base.address,
        base.branch,  # who can push one leaves nothing for the runs of another
        [base.sha, commands] if base.trusted or not environment.key else environment.key,
        change,
        toolchain,
        sorted(map(str, hosts)),
    ]
    key = sha256(json.dumps(read).encode()).hexdigest()
    return f"{results_of(repo_of(base))}{key[_OF_REPOSITORY:]}"


def key_of_run(key: str, run_id: str) -> str:
    """The name of a result that no other run is to find."""
    return f"{key[:_OF_KEY]}{sha256(run_id.encode()).hexdigest()[:_OF_REPOSITORY]}"


def commit_key(
    base: Base, environment: Environment, *, toolchain: str, hosts: Iterable[SetupHost]
) -> str:
    """The name that earlier releases gave to a result of an untouched base: of its commit."""
    commands = [command.shell for command in environment.setup]
    read = [1, base.address, base.sha, "", commands, toolchain, [str(host) for host in hosts]]
    return sha256(json.dumps(read).encode()).hexdigest()


def results_of(repo: str) -> str:
    """What the names of all results of a repository begin with."""
    return sha256(repo.encode()).hexdigest()[:_OF_REPOSITORY]
