"""gRPC services made of plain methods, each named as its RPC, in snake case."""

import re
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from functools import cache
from typing import Any

from grpclib import GRPCError, Status
from grpclib.const import Cardinality, Handler
from grpclib.server import Stream

from tests.modal_plane.rpc.faults import Faults


class _Unbound:
    """Stands in for a service whose methods are looked up by name."""

    def __getattr__(self, name: str) -> None:
        return None


@cache
def snake(name: str) -> str:
    """`SandboxCreateV2` as `sandbox_create_v2`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Service:
    """One gRPC service, answered by the first of `parts` that has a method for the RPC."""

    def __init__(
        self,
        generated: type[Any],
        parts: Iterable[object],
        faults: Faults,
        allowed: Collection[str] | None = None,
        caller: str = "",
    ) -> None:
        """`caller` is the function whose containers are answered here."""
        self._generated = generated
        self._parts = tuple(parts)
        self._faults = faults
        self._allowed = allowed
        self._caller = caller

    def __mapping__(self) -> Mapping[str, Handler]:
        declared: dict[str, Handler] = self._generated.__mapping__(_Unbound())
        return {path: self._bound(path, handler) for path, handler in declared.items()}

    def _bound(self, path: str, handler: Handler) -> Handler:
        name = path.rsplit("/", 1)[-1]
        method = next(
            (getattr(part, snake(name)) for part in self._parts if hasattr(part, snake(name))),
            None,
        )

        async def answer(stream: Stream[Any, Any]) -> None:
            if self._allowed is not None and name not in self._allowed:
                raise GRPCError(
                    Status.PERMISSION_DENIED, f"{name}: this function has no access to Modal"
                )
            await self._faults.meet(name, self._caller)
            if method is None:
                self._faults.own.append(f"{name} is not in the local plane")
                raise GRPCError(Status.UNIMPLEMENTED, f"{name}: not in the local plane")
            try:
                await _serve(stream, handler, method)
            except KeyError as error:
                raise GRPCError(Status.NOT_FOUND, f"{name}: there is no {error}") from error

        return handler._replace(func=answer)


async def _serve(stream: Stream[Any, Any], handler: Handler, method: Callable[..., Any]) -> None:
    if handler.cardinality is Cardinality.STREAM_UNARY:
        await stream.send_message(await method(_requests(stream)))
        return
    request = await stream.recv_message()
    if handler.cardinality is Cardinality.UNARY_STREAM:
        async for reply in method(request):
            await stream.send_message(reply)
        return
    reply = await method(request)
    await stream.send_message(handler.reply_type() if reply is None else reply)


async def _requests(stream: Stream[Any, Any]) -> AsyncIterator[Any]:
    async for request in stream:
        yield request
