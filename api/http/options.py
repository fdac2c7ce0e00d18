"""What the HTTP service is told by those who wire it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

from api.http.deliveries import DeliveryInbox
from api.http.guards.host_names import LOOPBACK_HOSTS
from api.http.guards.request_guards import MAX_BODY_BYTES
from api.http.metrics import SandboxCounts
from api.http.routes.sse import StreamTimes
from graph import EnvironmentRecords
from graph.errors import InvalidRepoUrl
from runs.model import Caller, DayLimits


def _any_repository(_name: str, _full_name: str) -> bool:
    return True


def _all_globs(_name: str) -> tuple[str, ...]:
    return ("*",)


async def _nothing_known(_repo_url: str, _since: float) -> frozenset[int] | None:
    return None


async def _none_known() -> tuple[str, ...]:
    return ()


def _no_name() -> None:
    """A call that is begun once has none."""


@dataclass(frozen=True)
class AppOptions:
    """Plain values and callables, so that the service knows neither settings nor forge.

    `check_repo_url` gives the full name (OWNER/REPO) of an address, or raises InvalidRepoUrl.
    `repo_allowed` says whether the caller of this name may work on that full name, `repo_globs`
    by which globs.
    """

    version: str
    check_repo_url: Callable[[str], str]
    repo_allowed: Callable[[str, str], bool] = _any_repository
    repo_globs: Callable[[str], tuple[str, ...]] = _all_globs
    hosts: tuple[str, ...] = LOOPBACK_HOSTS
    key_rate: int = 60
    """Calls a minute and key; 0: no limit."""
    day: DayLimits = field(default_factory=DayLimits)
    """What the service and each key may spend a day."""
    max_key_readers: int = 0
    """Streams that one key reads at a time, where there are keys; 0: no limit."""
    max_body_bytes: int = MAX_BODY_BYTES
    environments: EnvironmentRecords | None = None
    """What set-up did on each repository."""
    sandbox_counts: Callable[[], SandboxCounts] | None = None
    shared_store: bool = False
    """Other processes serve the same runs: what events add up to is told by the store."""
    stream_times: StreamTimes = field(default_factory=StreamTimes)
    team: bool = False
    """Who may use a repository may read its runs; else each name has its own alone."""
    merged_pulls: Callable[[str, float], Awaitable[frozenset[int] | None]] = _nothing_known
    """Numbers of the pull requests of an address merged since then; None where nobody knows."""
    known_repositories: Callable[[], Awaitable[tuple[str, ...]]] = _none_known
    """Full names of those that the forge lists, the last pushed first."""
    deliveries: DeliveryInbox | None = None
    """Where a forge's deliveries go; None where no secret is set."""
    call_name: Callable[[], str | None] = _no_name
    """The name of the call that is answered: where it is begun again elsewhere, the same."""

    def with_visibility(self, caller: Caller) -> Caller:
        """The caller, with the repositories whose runs it may read."""
        if not self.team:
            return caller
        is_usable = lru_cache(maxsize=4096)(partial(self._is_usable, caller.name))
        return replace(caller, reads_repo=is_usable)  # runs are many, repositories few

    def _is_usable(self, name: str, repo_url: str) -> bool:
        """A checkout of the machine is nobody's repository but its user's."""
        try:
            return self.repo_allowed(name, self.check_repo_url(repo_url))
        except InvalidRepoUrl:
            return False
