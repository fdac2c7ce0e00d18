"""Trees on a Modal control plane of this machine."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from pydantic import SecretStr

from sandbox.backends.base.backend import BackendOptions
from sandbox.backends.modal.backend import Modal
from sandbox.backends.modal.kept_bases import WORTH_BYTES
from sandbox.backends.modal.spares import IsWanted
from sandbox.backends.modal.trees import ModalSandboxes
from sandbox.core.protocol import Limits
from tests.modal_plane import Plane, connected
from tests.modal_plane import modal_plane as open_plane
from tests.modal_plane.availability import need_containers
from tests.support.sandbox.sample_run import SampleRun

NO_SECRETS: Mapping[str, Mapping[str, SecretStr]] = {}
APP = "coding-agent"
IMAGE = "python:3.12-slim-bookworm"


@dataclass(frozen=True)
class ModalRun:
    """A run whose trees are on Modal, and the plane that stands for it."""

    run: SampleRun
    sandboxes: ModalSandboxes
    backend: Modal
    plane: Plane

    def names(self) -> list[str]:
        """The Sandboxes that run."""
        known = self.plane.sandboxes.by_id.values()
        return sorted(one.name for one in known if one.result is None)


@asynccontextmanager
async def modal_run(sample: SampleRun, limits: Limits) -> AsyncIterator[ModalRun]:
    need_containers()
    async with open_plane() as plane, connected(plane):
        yield on_plane(plane, sample, limits)
        assert not plane.errors, "\n".join(plane.errors)


def on_plane(
    plane: Plane,
    sample: SampleRun,
    limits: Limits,
    setup_hosts: tuple[str, ...] = (),
    images: tuple[str, ...] = (),
    setup_secrets: Mapping[str, Mapping[str, SecretStr]] = NO_SECRETS,
    worth_bytes: int = WORTH_BYTES,
    is_wanted: IsWanted | None = None,
    begun_elsewhere: tuple[str, ...] = (),
    *,
    keeps_live: bool = False,
) -> ModalRun:
    """A process of its own, as it were: it knows nothing of what others opened."""
    options = BackendOptions(
        limits=limits,
        state=sample.runs / "state",
        image=IMAGE,
        app_name=APP,
        lifetime_s=3600,
        idle_s=600,
        setup_hosts=setup_hosts,
        images=images,
        setup_secrets=setup_secrets,
        keeps_live=keeps_live,
    )
    backend = Modal(options, waits_s=(0.1,))
    sandboxes = ModalSandboxes(
        runs=sample.runs,
        backend=backend,
        worth_bytes=worth_bytes,
        is_wanted=is_wanted,
        begun_elsewhere=begun_elsewhere,
    )
    return ModalRun(replace(sample, sandboxes=sandboxes), sandboxes, backend, plane)
