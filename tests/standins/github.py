"""GitHub with its faults: the demo's forge, which fails when and how a test says."""

import asyncio
import contextlib
import json
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from tests.standins.github_contract.held_app import Answered, HeldApp
from tests.standins.github_server.repository import HostedRepository
from tests.standins.github_server.server import ForgeServer
from tests.support.written_pieces import written_pieces

TOKEN = "ghp_ForTestsOnly0123456789ABCDEFabcdef0123"


@dataclass
class Fault:
    """One way to fail. `after`: only once the call had its effect.

    `status` None drops the connection, `cut` sends half of the right JSON. `skip`: so many calls
    go right before.
    """

    status: int | None = 500
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    errors: list[dict[str, str]] = field(default_factory=list)
    after: bool = False
    cut: bool = False
    times: int = 1
    skip: int = 0
    body: bytes | None = None
    late_s: float = 0
    """Nothing else is wrong with an answer that comes so late; once forgiven, none comes."""

    def response(self) -> Response:
        content: dict[str, Any] = {"message": self.message or "Server Error"}
        if self.errors:
            content["errors"] = self.errors
        body = self.body if self.body is not None else json.dumps(content).encode()
        return Response(body, self.status or 500, self.headers, "application/json")


DROPPED = Fault(status=None)


class GitHubStandIn(ForgeServer):
    """`fail` decides what the next calls of a kind meet."""

    def __init__(self) -> None:
        super().__init__(token=TOKEN, login="octo-agent", user_id=583231)
        self._faults: list[tuple[str, str, Fault]] = []

    def fail(self, method: str, path_end: str, fault: Fault) -> Fault:
        """Let the next `fault.times` calls whose path ends so fail."""
        fault = Fault(**vars(fault))
        self._faults.append((method, path_end, fault))
        return fault

    def forget_all(self) -> None:
        super().forget_all()
        self.forgive()

    def forgive(self) -> None:
        """Fail no more."""
        self._faults.clear()

    def host_again(self, known: HostedRepository) -> HostedRepository:
        """Host a copy of a repository, as it was first hosted and under the same number."""
        self._ids += 1
        git_dir = self._folder / str(self._ids) / f"{known.full_name}.git"
        shutil.copytree(known.git_dir, git_dir)
        fresh: dict[str, Any] = {"pulls": {}, "comments": {}, "checks": {}, "required": set()}
        again = replace(known, git_dir=git_dir, replies=[], reactions=[], **fresh)
        self._hosted[known.full_name.lower()] = again
        return again

    def calls(self, method: str, path_end: str) -> int:
        """How many calls of a kind have come."""
        return sum(
            request.method == method and request.path.endswith(path_end)
            for request in self.requests
        )

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._next_fault(scope["method"], scope["path"])
        if fault is None:
            await super().handle(scope, receive, send)
            return
        if fault.late_s:
            if await self._is_forgiven_within(fault):
                await _drop(receive)
            else:
                await super().handle(scope, receive, send)
            return
        asked = receive
        if fault.after or fault.cut:
            answered = Answered(await Request(scope, receive).body())
            asked = answered.receive
            await super().handle(scope, asked, answered.send)
            if fault.cut:
                half = answered.body[: len(answered.body) // 2]
                await Response(half, media_type="application/json")(scope, asked, send)
                return
        if fault.status is None:
            await _drop(receive)
        else:
            await HeldApp(fault.response())(scope, asked, send)

    async def _is_forgiven_within(self, fault: Fault) -> bool:
        """Whether a late answer is not waited for to its time: who asked is gone."""
        ends = time.monotonic() + fault.late_s
        while time.monotonic() < ends:
            if not any(each is fault for *_, each in self._faults):
                return True
            await asyncio.sleep(0.05)
        return False

    def _next_fault(self, method: str, path: str) -> Fault | None:
        for wanted, end, fault in self._faults:
            if fault.times and wanted == method and path.endswith(end):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                return fault
        return None


async def _drop(receive: Receive) -> None:
    """Close the connection, which uvicorn keeps where `receive` belongs to, without an answer."""
    cycle: Any = cast("Any", receive).__self__
    cycle.transport.abort()
    message: Message = {"type": ""}
    while message["type"] != "http.disconnect":
        message = await receive()


def refuse_pushes(repository: HostedRepository, *lines: str) -> None:
    """A hook on the forge that refuses every push and says these lines."""
    hook = repository.git_dir / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    said = "\n".join(f"echo {json.dumps(line)} >&2" for line in lines)
    hook.write_text(f"#!/bin/sh\n{said}\nexit 1\n")
    hook.chmod(0o755)


def accept_pushes(repository: HostedRepository) -> None:
    with contextlib.suppress(FileNotFoundError):
        (repository.git_dir / "hooks" / "pre-receive").unlink()


def files_that_hold(folder: Path, text: str) -> list[Path]:
    """Every file below `folder` in which `text` stands."""
    wanted = text.encode()
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and any(wanted in piece for piece in written_pieces(path))
    ]
