"""A deployment on Modal: its functions, its Volume and its Sandboxes, as the functions use them."""

import secrets
import tempfile
from collections.abc import AsyncGenerator, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import modal

from graph import RoleTask
from graph.errors import CodingAgentError, RoleLost, StoreError
from runs.remote_roles import Play, RoleWorkerFence
from runs.shared import VolumeMount, map_modal_errors, open_modal_backend, read_note
from sandbox.backends.modal import Modal, ModalSandboxes
from wiring import modal_functions
from wiring.configuration import LEFT_OVER_S, Configuration
from wiring.modal_functions import Deployment
from wiring.settings import APP_NAME

if TYPE_CHECKING:
    from fastapi import FastAPI


@dataclass(frozen=True)
class ModalPlatform:
    """What `deploy.py` made, and what its functions do with it. `functions` go by their names."""

    configuration: Configuration
    volume: modal.Volume
    root: Path
    """Where the Volume is mounted."""
    functions: Mapping[str, modal.Function[Any, Any, Any]]

    async def drive_run(self, run_id: str) -> None:
        call = modal.current_function_call_id() or "none"
        own = Path(tempfile.gettempdir()) / "checkpoints"
        await modal_functions.drive_run(self._deployment, self._mount, run_id, call=call, own=own)

    async def play_role(self, task: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """The role's events, then its result."""
        mount, backend = self._mount, self._deployment.backend
        played = modal_functions.play_role(
            self._deployment,
            mount,
            RoleTask.model_validate(task),
            call=modal.current_input_id() or "none",
            fence=lambda worker: RoleWorkerFence(
                worker, lambda: read_note(backend, worker.key), mount.commit_now
            ),
        )
        async for item in played:
            yield item

    def web_app(self, host: str) -> "FastAPI":
        return modal_functions.web_app(
            self._deployment, service=_service(), host=host, probes=FunctionProbes(self)
        )

    async def tidy_up(self) -> None:
        await modal_functions.tidy_up(self._deployment, _service())

    async def try_claude(self) -> str:
        """`ok` or an error's code."""
        claude = self.configuration.claude()
        try:
            await claude.probe()
        except CodingAgentError as error:
            return error.code
        finally:
            await claude.close()
        return "ok"

    async def try_github(self, full_name: str) -> str:
        """`ok` or an error's code; of a repository `push` or `read` where it can be read at all."""
        from forge.core import ONCE

        forge = self.configuration.forge()
        try:
            if not full_name:
                return await forge.probe()
            facts = await forge.repository(full_name, retry_policy=ONCE)
        except CodingAgentError as error:
            return error.code
        finally:
            await forge.close()
        return "push" if facts.push else "read"

    @property
    def _mount(self) -> VolumeMount:
        return VolumeMount(self.volume, self.root)

    @cached_property
    def _deployment(self) -> Deployment:
        return Deployment(
            configuration=self.configuration,
            backend=open_modal_backend(self.volume),
            sandboxes=self._sandboxes,
            end_orphans=self._end_orphans,
            spawn=self._spawn,
            play=self._player,
        )

    def _sandboxes(self, runs: Path) -> ModalSandboxes:
        options = self.configuration.backend_options(APP_NAME)
        return ModalSandboxes(runs=runs, backend=Modal(options))

    async def _end_orphans(self, active: Collection[str]) -> None:
        await self._sandboxes(self.root / "runs").end_orphans(active, older_than_s=LEFT_OVER_S)

    async def _spawn(self, run_id: str) -> None:
        with map_modal_errors():
            await self.functions["run"].spawn.aio(run_id)

    def _player(self, role: str) -> Play:
        """Streams from a role's function. Raises RoleLost where the function was lost."""

        async def play(task: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
            try:
                with map_modal_errors():
                    async for item in self.functions[role].remote_gen.aio(task):
                        yield item
            except StoreError as error:
                raise RoleLost(f"The function of the {role} was lost: {error.message}") from error

        return play


@dataclass(frozen=True)
class FunctionProbes:
    """Has credentials tried by the functions that hold them, for `/auth-test`."""

    platform: ModalPlatform

    async def claude(self) -> str:
        return await self._ask("try_claude")

    async def github(self) -> str:
        return await self._ask("try_github", "")

    async def repository(self, repo_url: str) -> tuple[bool, bool]:
        full_name = self.platform.configuration.full_name(repo_url)
        found = await self._ask("try_github", full_name)
        return found in ("read", "push"), found == "push"

    async def _ask(self, function: str, *arguments: str) -> str:
        with map_modal_errors():
            return str(await self.platform.functions[function].remote.aio(*arguments))


def _service() -> str:
    return f"api.{secrets.token_hex(8)}"
