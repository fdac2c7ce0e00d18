"""Errors of a sandbox."""

from typing import Any

from graph.errors.base import CodingAgentError


class SandboxError(CodingAgentError):
    """Raised when untrusted code could not be run safely."""

    code = "sandbox_error"


class SandboxUnavailable(SandboxError):
    """Raised when no sandbox holds on this machine."""

    code = "sandbox_unavailable"
    default_hint = "Run `coding-agent doctor`: it tries the sandbox and says what to install."


class SandboxLost(SandboxError):
    """Raised when a sandbox went away under a command."""

    code = "sandbox_lost"
    default_hint = (
        "Resume the run; where it happens again, see what ends processes on this machine."
    )


class SetupFailed(SandboxError):
    """Raised when a set-up command failed; `command` is the one."""

    code = "setup_failed"
    default_hint = "Fix the request's setup commands, or what they need."

    def __init__(self, message: str, hint: str = "", command: str = "") -> None:
        super().__init__(message, hint)
        self.command = command

    def __reduce__(self) -> tuple[type["SetupFailed"], tuple[Any, ...]]:
        return type(self), (self.message, self.hint, self.command)
