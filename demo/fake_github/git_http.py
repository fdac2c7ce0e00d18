"""Git over HTTP as GitHub serves it: git's own `http-backend`, with sign-in in front of it."""

import asyncio
import subprocess
from base64 import b64encode
from functools import cache
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from demo.fake_github.repository import HostedRepository

_ENVIRONMENT: Final = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_HTTP_EXPORT_ALL": "1",
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "http.receivepack",
    "GIT_CONFIG_VALUE_0": "true",
    "GIT_CONFIG_KEY_1": "receive.autogc",
    "GIT_CONFIG_VALUE_1": "false",
}


def refusal(request: Request, repository: HostedRepository | None, token: str) -> Response | None:
    """What GitHub answers to who may not read or push, None where the request may go on."""
    pair = b64encode(f"x-access-token:{token}".encode()).decode()
    sent = request.headers.get("authorization")
    services = (request.path_params["service"], request.query_params.get("service"))
    pushes = "git-receive-pack" in services
    if sent is not None and sent != f"Basic {pair}":
        return _unauthorized()
    if sent is None and (repository is None or repository.private or pushes):
        return _unauthorized()
    if repository is None:
        return Response("Repository not found.", 404, media_type="text/plain")
    if pushes and (not repository.push or repository.archived):
        said = f"Permission to {repository.full_name}.git denied."
        return Response(said, 403, media_type="text/plain")
    return None


async def serve_git(request: Request, repository: HostedRepository, service: str) -> Response:
    """Hand the request to git's `http-backend`."""
    body = await request.body()
    headers = request.headers
    environment = {
        **_ENVIRONMENT,
        "GIT_PROJECT_ROOT": str(repository.git_dir),
        "PATH_INFO": f"/{service}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.url.query,
        "CONTENT_TYPE": headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
        "GIT_PROTOCOL": headers.get("git-protocol", ""),
        "REMOTE_USER": "x-access-token",
        "REMOTE_ADDR": "127.0.0.1",
    }
    process = await asyncio.create_subprocess_exec(
        _backend(),
        cwd="/",
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate(body)
    return _response(output)


@cache
def _backend() -> str:
    """Its place: by way of `git` each request would start a program more."""
    told = subprocess.run(
        ["git", "--exec-path"],
        cwd="/",
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    return f"{told.stdout.strip()}/git-http-backend"


def _response(output: bytes) -> Response:
    """A CGI answer as an HTTP one."""
    head, _, body = output.partition(b"\r\n\r\n")
    headers = dict(
        row.split(": ", 1) for row in head.decode("latin-1").split("\r\n") if ": " in row
    )
    status = int(headers.pop("Status", "200").split(" ")[0])
    return Response(body, status, headers)


def _unauthorized() -> Response:
    headers = {"WWW-Authenticate": 'Basic realm="GitHub"'}
    return Response("Invalid username or token.", 401, headers, "text/plain")
