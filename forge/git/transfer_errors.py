"""What a git command that talked to the forge failed of."""

import re
from typing import Final

from forge.core.retry import TransientError
from forge.git.command import GitResult
from graph import UNTRUSTED_HINT, find_certificates, is_untrusted, name_proxy_variables
from graph.errors import (
    CodingAgentError,
    ForgeForbidden,
    ForgeUnauthorized,
    ForgeUnavailable,
    RepositoryArchived,
    RepositoryNotFound,
    RepositoryTooLarge,
)

_STATUS: Final = re.compile(r"requested URL returned error: (\d{3})")
_REMOTE: Final = re.compile(r"(?m)^remote: ?(.{0,500})$")
_SSO: Final = re.compile(r"https://[A-Za-z0-9.-]{1,200}/[^\s\"'<>]{0,200}/sso[^\s\"'<>]{0,300}")
_MAX_QUOTED: Final = 500
_BY_PROXY: Final = re.compile(
    r"CONNECT tunnel failed, response (\d{3})|Received HTTP code (\d{3}) from proxy"
)
_MOVED: Final = (301, 302, 307, 308)
_NOT_FOUND: Final = re.compile(r"repository '[^']*' not found")
_UNREADABLE: Final = re.compile(
    r"(?i)setting certificate|reading ca cert|problem with the ssl ca cert"
)
_LIMIT_SIGNALS: Final = re.compile(r"(?i)died of signal (?:24|25)|out of memory|file too large")
_NO_ANSWER: Final = (
    "Could not resolve host",
    "Could not resolve proxy",
    "Proxy CONNECT aborted",
    "Failed to connect",
    "Couldn't connect",
    "Connection re",
    "Connection timed out",
    "Operation timed out",
    "Operation too slow",
    "Empty reply",
    "Recv failure",
    "Send failure",
    "RPC failed",
    "early EOF",
    "hung up unexpectedly",
    "unexpected disconnect",
    "transfer closed",
    "SSL_",
    "HTTP/2 stream",
)


def transfer_error(result: GitResult, full_name: str) -> CodingAgentError | TransientError:
    """The error of a failed clone, fetch or push; TransientError where it may go right later."""
    text = result.stderr
    found, by_proxy = _STATUS.search(text), _BY_PROXY.search(text)
    status = int(found[1]) if found else int(by_proxy[1] or by_proxy[2]) if by_proxy else 0
    if result.disk_full:
        return result.failure()
    if result.over or _LIMIT_SIGNALS.search(text):
        why = result.over or "it is larger than this machine's limits allow"
        return RepositoryTooLarge(f"{full_name} could not be transferred: {why}.")
    if status == 429 or status >= 500:
        return _no_answer(full_name, f"HTTP {status}")
    if by_proxy or status == 407:
        return _refused_by_proxy(full_name, status)
    cut_off = not status and not result.sign_in_refused  # git also says so where it was refused
    if cut_off and any(sign in text for sign in _NO_ANSWER):
        return _no_answer(full_name, "no whole answer")
    refused = _of_certificates(text, full_name) or _refusal(result, status, full_name)
    return refused or result.failure()


def _refusal(result: GitResult, status: int, full_name: str) -> CodingAgentError | None:
    text = result.stderr
    said = " ".join(_REMOTE.findall(text))[:_MAX_QUOTED].strip()
    quoted = f": {said}" if said else "."
    if result.sign_in_refused:
        return ForgeUnauthorized(f"The token was not accepted for {full_name}{quoted}")
    if status == 403 and "archived" in said.lower():
        return RepositoryArchived(f"{full_name} takes no changes{quoted}")
    if status == 403:
        address = _SSO.search(said)
        hint = f"Authorize the token for the organization at {address[0]}" if address else ""
        return ForgeForbidden(f"The token may not do this on {full_name}{quoted}", hint)
    if status in _MOVED:
        return RepositoryNotFound(
            f"{full_name} has another name since the run began.",
            "Start a new run with the repository's present address.",
        )
    if status in (404, 410, 451) or _NOT_FOUND.search(text):
        return RepositoryNotFound(f"{full_name} was not found.")
    return None


def _of_certificates(text: str, full_name: str) -> ForgeUnavailable | None:
    """The error of a way that TLS bars: it stays so until somebody changes a setting."""
    variable, _ = find_certificates()
    if variable and _UNREADABLE.search(text):
        return ForgeUnavailable(
            f"The certificates that {variable} names cannot be read, so git cannot reach"
            f" {full_name}.",
            "Set the variable to a file of certificates, or unset it.",
        )
    if is_untrusted(text):
        return ForgeUnavailable(
            f"git does not trust the certificate of {full_name}'s forge.", UNTRUSTED_HINT
        )
    return None


def _refused_by_proxy(full_name: str, status: int) -> ForgeUnavailable:
    names = name_proxy_variables()
    return ForgeUnavailable(
        f"The proxy that the environment names ({names}) does not let git reach {full_name}: HTTP"
        f" {status}.",
        f"Set {names} to a proxy that does, with its user and password where it asks for them.",
    )


def _no_answer(full_name: str, reason: str) -> TransientError:
    error = ForgeUnavailable(f"The repository {full_name} could not be reached: {reason}.")
    return TransientError(error, reason=reason)
