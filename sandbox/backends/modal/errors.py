"""Errors of Modal's library, and of the way to it, as ours."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import modal
from grpclib.exceptions import GRPCError, StreamTerminatedError
from modal.exception import (
    AuthError,
    PermissionDeniedError,
    RemoteError,
    ResourceExhaustedError,
    VersionError,
)

from graph.errors import SandboxError, SandboxLost, SandboxUnavailable

MODAL_ERRORS: Final = (modal.Error, GRPCError, StreamTerminatedError, OSError)
_ANSWER_S: Final = 60.0
_DENIED: Final = (AuthError, PermissionDeniedError, VersionError)
_SIGN_IN: Final = "Sign in to Modal: modal token new, or set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET."


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Raises Modal's errors in the block as ours."""
    try:
        yield
    except MODAL_ERRORS as error:
        raise map_error(error) from error


@asynccontextmanager
async def modal_call(within_s: float | None = None) -> AsyncIterator[None]:
    """A call of Modal's client, which itself would wait for an answer without an end."""
    with mapped_errors():
        async with asyncio.timeout(_ANSWER_S if within_s is None else within_s):
            yield


def map_error(error: BaseException) -> SandboxError:
    """What an error of Modal's means here: refused, used up, or lost on the way."""
    said = f"{type(error).__name__}: {error}".rstrip(": ")[:300]
    match error:
        case _ if isinstance(error, _DENIED):
            return SandboxUnavailable(f"Modal refused a Sandbox: {said}", _SIGN_IN)
        case ResourceExhaustedError():
            return SandboxUnavailable(
                f"Modal has no Sandbox left to give: {said}",
                "Run fewer at a time, or raise the workspace's limits.",
            )
        case TimeoutError():
            return SandboxLost("the sandbox was lost: Modal did not answer in time")
        case RemoteError():
            return SandboxUnavailable(
                f"The Sandbox's image cannot be built: {said}",
                "See CODING_AGENT_SANDBOX_IMAGE.",
            )
    return SandboxLost(f"the sandbox was lost: {said}")
