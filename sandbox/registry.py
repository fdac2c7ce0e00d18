"""The backends there are, by name: one more is one more row."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandbox.backends.base.backend import Backend, BackendOptions
from sandbox.backends.base.local_backend import LocalBackend
from sandbox.backends.base.trial_result import Results
from sandbox.core.metrics import CommandMetrics
from sandbox.core.protocol import Sandboxes
from sandbox.egress.suggest_hosts import AUTO
from sandbox.selftest.trial import ensure_holds, trial
from sandbox.setup.networked import NetworkedSetUp
from sandbox.trees.local_trees import LocalSandboxes


@dataclass(frozen=True, kw_only=True)
class BackendKind:
    """A backend, and what is done with it. It is imported when it is made.

    `make` blocks and raises SandboxUnavailable. `is_automatic`: `auto` takes it where it holds.
    """

    make: Callable[[BackendOptions], Backend[Any]]
    ensure_holds: Callable[[Any], Awaitable[None]] = ensure_holds
    trial: Callable[[Any], Awaitable[Results]] = trial
    open_trees: Callable[[Any, BackendOptions, Path, CommandMetrics], Awaitable[Sandboxes]]
    is_automatic: bool = True


def _make_bubblewrap(options: BackendOptions) -> LocalBackend:
    from sandbox.backends.bubblewrap.backend import Bubblewrap

    return Bubblewrap(options)


def _make_docker(options: BackendOptions) -> LocalBackend:
    from sandbox.backends.docker.backend import Docker

    return Docker(options)


def _make_modal(options: BackendOptions) -> Backend[Any]:
    from sandbox.backends.modal.backend import Modal

    return Modal(options)


async def _open_here(
    backend: LocalBackend, options: BackendOptions, runs: Path, metrics: CommandMetrics
) -> Sandboxes:
    hosts = (AUTO,) if options.setup_hosts is None else options.setup_hosts
    set_up = None
    if hosts:
        shared = options.setups
        set_up = NetworkedSetUp(
            backend=backend,
            hosts=hosts,
            shared=shared,
            metrics=metrics,
            secrets=options.setup_secrets,
        )
    return LocalSandboxes(runs=runs, backend=backend, metrics=metrics, set_up=set_up)


async def _open_on_modal(
    backend: Any, _: BackendOptions, runs: Path, metrics: CommandMetrics
) -> Sandboxes:
    from sandbox.backends.modal.trees import ModalSandboxes

    return ModalSandboxes(runs=runs, backend=backend, metrics=metrics)


async def _trust(_: Any) -> None:
    """Its machines are Modal's: `doctor` tries them."""


async def _try_modal(backend: Any) -> Results:
    from sandbox.selftest.modal import try_modal

    return await try_modal(backend)


BACKENDS: Final[Mapping[str, BackendKind]] = {
    "bubblewrap": BackendKind(make=_make_bubblewrap, open_trees=_open_here),
    "docker": BackendKind(make=_make_docker, open_trees=_open_here),
    "modal": BackendKind(
        make=_make_modal,
        ensure_holds=_trust,
        trial=_try_modal,
        open_trees=_open_on_modal,
        is_automatic=False,
    ),
}
"""By their names, in the order in which `auto` tries them."""
