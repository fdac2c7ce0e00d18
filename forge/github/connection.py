"""Calls of GitHub's API by PyGithub. Blocking calls run in threads; it is imported at first use."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, TypedDict, TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from forge.core.forge import GitAccess
from forge.core.repository_address import is_loopback
from forge.core.retry import TransientError, Unprocessable, retry_transient
from forge.github.api_address import web_address
from forge.github.api_errors import ApiError
from forge.github.call_errors import map_misfit, map_silence
from forge.github.write_pacer import WritePacer
from graph import Emit, RetryPolicy, SecretForms

if TYPE_CHECKING:
    import github as pygithub

    Api = pygithub.Github

T = TypeVar("T")

API_VERSION: Final = "2022-11-28"
_SECONDS_BETWEEN_WRITES: Final = 1.0
_FINISH_S: Final = 1.5
"""How long a write that is under way may go on after its run was cancelled."""


class ConnectionOptions(TypedDict, total=False):
    """The keywords of `Connection` that have a default."""

    retry_policy: RetryPolicy | None
    timeout_s: int
    seconds_between_writes: float | None


class Connection:
    """One account's calls.

    PyGithub's client keeps the answer that it is about to read: each has one user at a time, of
    one thread. `seconds_between_writes`: None for what GitHub asks for; of this machine, nothing.
    """

    name = "GitHub"

    def __init__(
        self,
        *,
        api_url: str,
        token: SecretStr | None,
        retry_policy: RetryPolicy | None = None,
        timeout_s: int = 15,
        seconds_between_writes: float | None = None,
    ) -> None:
        self.access = GitAccess(web_address(api_url), token, user="x-access-token")
        self.retry_policy = retry_policy or RetryPolicy()
        self._api_url = api_url.rstrip("/")
        self._forms = SecretForms(token)
        self._timeout_s = timeout_s
        if seconds_between_writes is None:
            here = is_loopback(urlsplit(api_url).hostname or "")
            seconds_between_writes = 0.0 if here else _SECONDS_BETWEEN_WRITES
        self._pacer = WritePacer(seconds_between_writes)
        self._idle: deque[pygithub.Github] = deque()

    async def open(self) -> None:
        """Import what is slow to import, ahead of its first use."""
        self._idle.append(await asyncio.to_thread(self._make_client))

    async def close(self) -> None:
        """Close the connections."""
        while self._idle:
            await asyncio.to_thread(self._idle.pop().close)

    @contextmanager
    def _client(self) -> "Iterator[pygithub.Github]":
        """A client that nobody else uses meanwhile."""
        try:
            client = self._idle.pop()
        except IndexError:
            client = self._make_client()
        try:
            yield client
        finally:
            self._idle.append(client)

    def _make_client(self) -> "pygithub.Github":
        import github as pygithub  # takes a quarter of a second

        token = self.access.token
        return pygithub.Github(
            base_url=self._api_url,
            auth=pygithub.Auth.Token(token.get_secret_value()) if token else None,
            timeout=self._timeout_s,
            api_version=API_VERSION,
            retry=None,
            lazy=True,
            seconds_between_requests=None,
            seconds_between_writes=None,
        )

    async def _read(
        self,
        what: str,
        call: "Callable[[pygithub.Github], T]",
        emit: Emit,
        retry_policy: RetryPolicy | None = None,
    ) -> T:
        attempt = partial(asyncio.to_thread, self._call, what, call)
        policy = retry_policy or self.retry_policy
        return await retry_transient(attempt, what=self.name, emit=emit, policy=policy)

    async def _write(self, what: str, call: "Callable[[pygithub.Github], T]") -> T:
        """One write, which goes on to its end for a moment where the run is cancelled."""
        await asyncio.sleep(self._pacer.reserve())
        task = asyncio.ensure_future(asyncio.to_thread(self._call, what, call))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task], timeout=_FINISH_S)
            raise

    def _call(self, what: str, call: "Callable[[pygithub.Github], T]") -> T:
        """The call's result, or one of ours for whatever PyGithub and what is below it raise."""
        import github as pygithub
        from urllib3.exceptions import HTTPError

        try:
            with self._client() as client:
                return call(client)
        except pygithub.GithubException as error:
            limited = isinstance(error, pygithub.RateLimitExceededException)
            answer = ApiError.read(error.status, error.data, error.headers, limited=limited)
            raise self._map_answer(what, answer) from None
        except (json.JSONDecodeError, OSError, HTTPError) as error:
            raise map_silence(what, error) from None
        except (pygithub.BadAttributeException, ValueError, RuntimeError, AssertionError) as error:
            raise map_misfit(what, error) from None
        except (TypeError, AttributeError, LookupError) as error:
            raise map_misfit(what, error) from None

    def _map_answer(self, what: str, answer: ApiError) -> Exception:
        error = answer.error(what)
        error = type(error)(self._forms.hide(error.message), error.hint)
        if answer.transient:
            return TransientError(error, reason=answer.reason, asked_s=answer.wait_s)
        return Unprocessable(error, answer.fields) if answer.status == 422 else error
