"""Public keys that accounts sign with, as the API lists them to anybody."""

from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.standins.github_server.problems import problem


class KeyApi:
    """The routes below `/users`; `keys` by login, of SSH and armored ones of GPG."""

    def __init__(self, keys: Mapping[str, Sequence[str]]) -> None:
        self._keys = keys

    def routes(self) -> list[BaseRoute]:
        user = "/api/v3/users/{login}"
        return [
            Route(f"{user}/ssh_signing_keys", self._list_ssh),
            Route(f"{user}/gpg_keys", self._list_gpg),
        ]

    async def _list_ssh(self, request: Request) -> Response:
        return self._list(request, "key", of_ssh=True)

    async def _list_gpg(self, request: Request) -> Response:
        return self._list(request, "raw_key", of_ssh=False)

    def _list(self, request: Request, name: str, *, of_ssh: bool) -> Response:
        login = request.path_params["login"]
        if login not in self._keys:
            return problem(404, "Not Found")
        texts = [text for text in self._keys[login] if text.startswith("ssh-") is of_ssh]
        return JSONResponse([{"id": 1 + at, name: text} for at, text in enumerate(texts)])
