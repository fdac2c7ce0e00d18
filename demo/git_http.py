"""Git over HTTP by git's own `http-backend`; who calls it has signed in."""

import asyncio
from functools import cache
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from demo.git import ENVIRONMENT, git

_OPTIONS: Final = {
    "GIT_HTTP_EXPORT_ALL": "1",
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "http.receivepack",
    "GIT_CONFIG_VALUE_0": "true",
    "GIT_CONFIG_KEY_1": "receive.autogc",
    "GIT_CONFIG_VALUE_1": "false",
}


async def serve_git(request: Request, git_dir: Path) -> Response:
    """Hand the request to git's `http-backend`."""
    body = await request.body()
    headers = request.headers
    environment = {
        **ENVIRONMENT,
        **_OPTIONS,
        "GIT_PROJECT_ROOT": str(git_dir),
        "PATH_INFO": f"/{request.path_params['service']}",
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
    return f"{git(Path('/'), '--exec-path').strip()}/git-http-backend"


def _response(output: bytes) -> Response:
    """A CGI answer as an HTTP one."""
    head, _, body = output.partition(b"\r\n\r\n")
    headers = dict(
        row.split(": ", 1) for row in head.decode("latin-1").split("\r\n") if ": " in row
    )
    status = int(headers.pop("Status", "200").split(" ")[0])
    return Response(body, status, headers)


def unauthorized() -> Response:
    """What git is answered to ask its caller for a password."""
    headers = {"WWW-Authenticate": 'Basic realm="GitHub"'}
    return Response("Invalid username or token.", 401, headers, "text/plain")
