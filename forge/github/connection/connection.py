"""Calls of GitHub's API by PyGithub. Blocking ones run in threads, and imports come late."""

import asyncio
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from forge.core.credentials import Credentials, FixedToken
from forge.core.forge import GitAccess
from forge.core.repository_address import is_loopback
from forge.core.retry import TransientError, Unprocessable, retry_transient
from forge.github.api_address import web_address
from forge.github.api_errors import ApiError
from forge.github.connection.call_errors import map_misfit, map_silence
from forge.github.connection.client_pool import ClientPool
from forge.github.connection.installation_tokens import AppKey, InstallationTokens
from forge.github.connection.renamed import keep_queries
from forge.github.connection.write_pacer import WritePacer
from graph import Emit, RetryPolicy, find_certificates, unheard
from graph.errors import CodingAgentError, ForgeUnauthorized

if TYPE_CHECKING:
    import github as pygithub

    Api = pygithub.Github

T = TypeVar("T")

API_VERSION: Final = "2022-11-28"
_SECONDS_BETWEEN_WRITES: Final = 1.0
_KEY_HINT: Final = (
    "Set CODING_AGENT_GITHUB_APP_ID to the App's number, and CODING_AGENT_GITHUB_APP_KEY_FILE to a"
    " private key that its settings list."
)
_FINISH_S: Final = 1.5
"""How long a write that is under way may go on after its run was cancelled."""


class ConnectionOptions(TypedDict, total=False):
    """The keywords of `Connection` that have a default."""

    app: AppKey | None
    retry_policy: RetryPolicy | None
    timeout_s: int
    seconds_between_writes: float | None


class Connection:
    """The API of a GitHub as one account calls it, by a token or as an App.

    PyGithub's client keeps the answer that it is about to read: each has one user at a time, of
    one thread. `seconds_between_writes`: None for what GitHub asks for; of this machine, nothing.
    """

    name = "GitHub"

    def __init__(
        self,
        *,
        api_url: str,
        token: SecretStr | None,
        app: AppKey | None = None,
        retry_policy: RetryPolicy | None = None,
        timeout_s: int = 15,
        seconds_between_writes: float | None = None,
    ) -> None:
        self._pool = ClientPool(self._make_client)
        self._app_key = app
        self._app = (
            InstallationTokens(app, self._ask_as_app, self._find_name, self._pool.drop)
            if app
            else None
        )
        credentials: Credentials = self._app or FixedToken(token)
        self.access = GitAccess(web_address(api_url), credentials, user="x-access-token")
        self.retry_policy = retry_policy or RetryPolicy()
        self._api_url = api_url.rstrip("/")
        self._timeout_s = timeout_s
        if seconds_between_writes is None:
            here = is_loopback(urlsplit(api_url).hostname or "")
            seconds_between_writes = 0.0 if here else _SECONDS_BETWEEN_WRITES
        self._pacer = WritePacer(seconds_between_writes)

    async def open(self) -> None:
        """Import what is slow to import, ahead of its first use."""
        if self._app is None:
            token = await self.access.credentials.token("")
            await asyncio.to_thread(self._pool.add, token)
        else:
            await asyncio.to_thread(__import__, "github")

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.to_thread(self._pool.close)

    async def _read(
        self,
        what: str,
        call: "Callable[[Api], T]",
        emit: Emit,
        retry_policy: RetryPolicy | None = None,
        *,
        repo: str,
    ) -> T:
        """What one call reads. `repo` is the OWNER/NAME that it is about; empty: the account."""

        async def attempt() -> T:
            token = await self.access.credentials.token(repo)
            return await asyncio.to_thread(self._call, what, call, token, repo)

        policy = retry_policy or self.retry_policy
        return await retry_transient(attempt, what=self.name, emit=emit, policy=policy)

    async def _write(self, what: str, call: "Callable[[Api], T]", *, repo: str) -> T:
        """One write, which goes on to its end for a moment where the run is cancelled."""
        token = await self.access.credentials.token(repo)
        await asyncio.sleep(self._pacer.reserve())
        task = asyncio.ensure_future(asyncio.to_thread(self._call, what, call, token, repo))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task], timeout=_FINISH_S)
            raise

    async def _write_once(self, what: str, call: "Callable[[Api], T]", full_name: str) -> T:
        """One write; where it may have failed in passing, the caller comes again later."""
        try:
            return await self._write(what, call, repo=full_name)
        except (TransientError, Unprocessable) as failed:
            raise failed.error from None

    async def _ask_as_app(
        self, what: str, verb: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Any:
        """One call that is signed with the App's key; tried again, since it may be made twice."""

        def ask(github: "Api") -> Any:
            return github.requester.requestJsonAndCheck(verb, path, input=body)[1]

        return await self._call_as_app(what, ask)

    async def _call_as_app(self, what: str, call: "Callable[[Api], T]") -> T:
        attempt = partial(asyncio.to_thread, self._call, what, call, None, "")
        policy = self.retry_policy
        try:
            return await retry_transient(attempt, what=self.name, emit=unheard, policy=policy)
        except ForgeUnauthorized as error:
            raise ForgeUnauthorized(error.message, _KEY_HINT) from None

    async def _find_name(self, full_name: str, token: SecretStr) -> str:
        def get(github: "Api") -> str:
            path = f"/repos/{full_name}"
            return str(github.requester.requestJsonAndCheck("GET", path)[1]["full_name"])

        attempt = partial(asyncio.to_thread, self._call, full_name, get, token, "")
        policy = self.retry_policy
        return await retry_transient(attempt, what=self.name, emit=unheard, policy=policy)

    def _make_client(self, token: SecretStr | None) -> "Api":
        import github as pygithub  # takes a quarter of a second

        auth: pygithub.Auth.Auth | None = None
        if token:
            auth = pygithub.Auth.Token(token.get_secret_value())
        elif self._app_key:
            key = self._app_key
            auth = pygithub.Auth.AppAuth(key.app_id, key.key.get_secret_value())
        client = pygithub.Github(
            base_url=self._api_url,
            auth=auth,
            timeout=self._timeout_s,
            api_version=API_VERSION,
            verify=find_certificates()[1] or True,
            retry=None,
            lazy=True,
            seconds_between_requests=None,
            seconds_between_writes=None,
        )
        keep_queries(client)
        return client

    def _call(self, what: str, call: "Callable[[Api], T]", token: SecretStr | None, repo: str) -> T:
        """The call's result, or one of ours for whatever PyGithub and what is below it raise."""
        import github as pygithub
        from jwt import PyJWTError
        from urllib3.exceptions import HTTPError

        try:
            with self._pool.client(token) as client:
                return call(client)
        except pygithub.GithubException as error:
            limited = isinstance(error, pygithub.RateLimitExceededException)
            answer = ApiError.read(error.status, error.data, error.headers, limited=limited)
            raise self._map_answer(what, answer, token, repo) from None
        except PyJWTError:  # its text may hold a part of the key
            raise ForgeUnauthorized("The App's private key is none in PEM.", _KEY_HINT) from None
        except (json.JSONDecodeError, OSError, HTTPError) as error:
            raise map_silence(what, error) from None
        except (pygithub.BadAttributeException, ValueError, RuntimeError, AssertionError) as error:
            raise map_misfit(what, error) from None
        except (TypeError, AttributeError, LookupError) as error:
            raise map_misfit(what, error) from None

    def _map_answer(
        self, what: str, answer: ApiError, token: SecretStr | None, repo: str
    ) -> Exception:
        of_app = self._app.explain(repo, what, answer) if self._app else None
        error: CodingAgentError = of_app or answer.error(what)
        error = type(error)(self.access.credentials.forms.hide(error.message), error.hint)
        if answer.transient:
            return TransientError(error, reason=answer.reason, asked_s=answer.wait_s)
        if answer.status == 401 and token and self.access.credentials.renew(repo):
            return TransientError(error, reason="an ended token")
        return Unprocessable(error, answer.fields) if answer.status == 422 else error
