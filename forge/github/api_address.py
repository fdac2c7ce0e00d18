"""The address of GitHub's API, and where its repositories lie."""

from urllib.parse import urlsplit

from forge.core.repository_address import is_loopback
from graph.errors import InvalidRequest


def web_address(api_url: str) -> str:
    """Where repositories lie, from the API's address: `https://HOST` without a closing slash."""
    url = api_url.rstrip("/")
    parts = _split(url)
    if parts is None or parts[0] not in ("https", "http"):
        raise _wrong_address("is not a web address")
    scheme, host, port, path = parts
    if scheme == "http" and not is_loopback(host):
        raise _wrong_address("must begin with https:// unless its host is a loopback")
    if path == "/api/v3":
        return f"{scheme}://{_bracketed(host)}{port}"
    if not path and host.startswith("api."):
        return f"{scheme}://{host.removeprefix('api.')}{port}"
    raise _wrong_address("must be https://api.github.com or https://HOST/api/v3")


def _split(url: str) -> tuple[str, str, str, str] | None:
    """Scheme, host, `:port` or nothing, path; None where there is anything else."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    host = (parts.hostname or "").lower()
    rebuilt = f"{parts.scheme}://{_bracketed(host)}{port}{parts.path}"
    if not host or rebuilt.lower() != url.lower():
        return None
    return parts.scheme, host, port, parts.path


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _wrong_address(why: str) -> InvalidRequest:
    return InvalidRequest(
        f"GITHUB_API_URL {why}.",
        "Set it to https://api.github.com, or to https://HOST/api/v3 of a GitHub Enterprise.",
    )
