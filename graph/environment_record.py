"""What is remembered of a repository's environment, and where."""

import hashlib
from typing import Final, Protocol

from graph.environment import Environment
from graph.values import Base, Validation, Value

ENVIRONMENTS: Final = "environments"
"""Of the data folder, or of the archive that all functions see."""


class EnvironmentRecord(Value):
    """What set-up did on a repository last; `made_at` in Unix seconds, in the run `run_id`."""

    repo: str
    sha: str
    run_id: str
    made_at: float
    environment: Environment
    baseline: Validation | None = None


class EnvironmentRecords(Protocol):
    """The newest record of each repository. Every method may raise StoreError."""

    async def get(self, repo: str) -> EnvironmentRecord | None: ...

    async def put(self, record: EnvironmentRecord) -> None: ...

    async def forget(self, repo: str) -> bool:
        """Remove it, so that set-up begins from nothing; whether there was one."""
        ...


def repo_of(base: Base) -> str:
    """The name under which a base's environment is remembered: of a checkout its path."""
    return base.address if base.local else base.full_name.lower()


def record_file(repo: str) -> str:
    """The name of a record's file."""
    return f"{hashlib.sha256(repo.encode()).hexdigest()[:32]}.json"
