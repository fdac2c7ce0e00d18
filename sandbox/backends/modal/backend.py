"""Untrusted commands in Sandboxes of Modal: one for each tree, a supervised process a command."""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Self

from sandbox.backends.base.backend import BackendOptions
from sandbox.backends.base.trial_result import TrialResult
from sandbox.backends.container.channel import Channel
from sandbox.backends.container.sandbox import NO_VARIABLES, RemoteSandbox
from sandbox.backends.modal.client import ModalClient
from sandbox.backends.modal.sandbox import ModalSandbox
from sandbox.core.protocol import Limits


class Modal:
    """A `Backend[ModalSandbox]`. Where Modal has no Sandbox to give, `waits_s` are waited."""

    name = "modal"

    def __init__(
        self, options: BackendOptions, *, waits_s: Sequence[float] = (1, 4, 10, 30)
    ) -> None:
        self.options = options
        self.limits = options.limits
        self.toolchain = options.image
        self.setup_hosts = options.setup_hosts or ()
        self.client = ModalClient(options, waits_s=waits_s)
        self._channels: dict[str, Channel] = {}

    def attach(
        self, tree: ModalSandbox, variables: Mapping[str, str] = NO_VARIABLES
    ) -> RemoteSandbox:
        for gone in [name for name, channel in self._channels.items() if not channel.is_open]:
            del self._channels[gone]
        channel = self._channels.setdefault(tree.id, Channel(tree))
        return RemoteSandbox(tree, self.limits, variables, channel)

    def limited(self, limits: Limits) -> Self:
        twin = copy(self)
        twin.limits = limits
        return twin

    async def prepare(self) -> None:
        await self.client.reach()

    def describe(self) -> TrialResult:
        return TrialResult("backend", held=True, detail=f"Modal, image {self.toolchain}")
