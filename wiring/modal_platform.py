"""A deployment on Modal: its functions, its Volume and its Sandboxes, as the functions use them."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import modal

from graph import RoleName
from graph.errors import CodingAgentError, RoleLost, StoreError
from runs.remote_roles import Play
from runs.shared import VolumeMount, drive_note, map_modal_errors, modal_call
from sandbox.backends.modal import Modal, ModalSandboxes, forget_set_ups
from wiring.configuration import LEFT_OVER_S
from wiring.known_repositories import MOST_REPOSITORIES
from wiring.modal_functions import Deployment, IsWanted
from wiring.settings import APP_NAME

log = logging.getLogger(__name__)

_ASK_S: Final = 15.0
_TRY_S: Final = 90.0
"""Of a credential, with the start of a container."""


@dataclass(frozen=True)
class ModalDeployment(Deployment):
    """What `deploy.py` made; `functions` go by their names."""

    mount: VolumeMount
    functions: Mapping[str, modal.Function[Any, Any, Any]]

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
                await forge.probe()
                return "ok"
            facts = await forge.repository(full_name, retry_policy=ONCE)
        except CodingAgentError as error:
            return error.code
        finally:
            await forge.close()
        return "push" if facts.push else "read"

    async def list_repositories(self) -> list[str]:
        """OWNER/NAME of those that the forge lists; none where it does not tell."""
        forge = self.configuration.forge()
        try:
            return await forge.repository_names(MOST_REPOSITORIES)
        except CodingAgentError as error:
            log.info("the forge lists no repositories: %s", error.code)
            return []
        finally:
            await forge.close()

    def sandboxes(
        self,
        runs: Path,
        *,
        is_wanted: IsWanted | None = None,
        begun_elsewhere: Collection[str] = (),
    ) -> ModalSandboxes:
        keeps_live = self.configuration.settings.keep_live_sandbox
        options = self.configuration.backend_options(APP_NAME, keeps_live=keeps_live)
        return ModalSandboxes(
            runs=runs,
            backend=Modal(options),
            is_wanted=is_wanted,
            begun_elsewhere=begun_elsewhere,
        )

    async def end_orphans(self, active: Collection[str]) -> None:
        await self.sandboxes(self.mount.root / "runs").end_orphans(active, older_than_s=LEFT_OVER_S)

    async def forget_set_ups(self, repo: str) -> bool:
        return await forget_set_ups(self.configuration.backend_options(APP_NAME), repo)

    async def spawn(self, run_id: str, plans_at_once: bool = False) -> None:
        async with modal_call():
            begun_at = time.time() if plans_at_once else 0.0
            call = await self.functions["run"].spawn.aio(run_id, begun_at)
        try:
            await self.backend.changes.put(drive_note(run_id), {"id": call.object_id})
        except StoreError as error:  # it is started, and may be started twice
            log.warning("the start of run %s is not noted: %s", run_id, error)

    async def wake_triggers(self) -> None:
        async with modal_call():
            await self.functions["triggers"].spawn.aio()

    async def withdraw(self, run_id: str) -> None:
        if call := await self._find_start(run_id):
            async with modal_call():
                await call.cancel.aio()

    async def is_started(self, run_id: str) -> bool:
        """Where Modal no longer knows of it, it is not; where Modal does not say, it may be."""
        if call := await self._find_start(run_id):
            try:
                async with asyncio.timeout(_ASK_S):
                    await call.get.aio(timeout=0)
            except TimeoutError:
                return True
            except Exception as error:  # noqa: BLE001 - what the function raised, too
                log.warning("the start of run %s has failed: %r", run_id, error)
        return False

    async def _find_start(self, run_id: str) -> "modal.FunctionCall[Any] | None":
        note = await self.backend.changes.get(drive_note(run_id))
        return modal.FunctionCall.from_id(note["id"]) if note else None

    def play(self, role: RoleName) -> Play:
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

    deployment: ModalDeployment

    async def claude(self) -> str:
        return str(await self._ask("try_claude"))

    async def github(self) -> str:
        return str(await self._ask("try_github", ""))

    async def repository(self, repo_url: str) -> tuple[bool, bool]:
        full_name = self.deployment.configuration.full_name(repo_url)
        found = await self._ask("try_github", full_name)
        return found in ("read", "push"), found == "push"

    async def repositories(self) -> list[str]:
        return list(map(str, await self._ask("list_repositories")))

    async def _ask(self, function: str, *arguments: str) -> Any:
        async with modal_call(_TRY_S):
            return await self.deployment.functions[function].remote.aio(*arguments)
