"""Errors of Modal's library, and of the way to it, as ours."""

from collections.abc import Iterator
from contextlib import contextmanager
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
_DENIED: Final = (AuthError, PermissionDeniedError, VersionError)
_SIGN_IN: Final = "Sign in to Modal: modal token new, or set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET."


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Raises Modal's errors in the block as ours."""
    try:
        yield
    except MODAL_ERRORS as error:
        raise map_error(error) from error


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
        case RemoteError():
            return SandboxUnavailable(
                f"The Sandbox's image cannot be built: {said}",
                "See CODING_AGENT_SANDBOX_IMAGE.",
            )
    return SandboxLost(f"the sandbox was lost: {said}")
