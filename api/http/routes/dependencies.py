"""What the routes ask for by type."""

import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any, Final, cast

from fastapi import Depends, Header, Path, Query, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from api.http.credential_probes import Probes
from api.http.guards.auth import Auth
from api.http.guards.session import SECURE_COOKIE
from api.http.guards.stream_limit import KeyStreamLimit
from api.http.metrics import Metrics
from api.http.options import AppOptions
from api.http.routes.sse import StreamTimes
from graph.errors import InvalidRequest, RepositoryNotAllowed, RunNotFound
from runs import RunService
from runs.model import CALLED_ID, Caller, RunRecord

_SEQ: Final = re.compile(r"[0-9]{1,15}")
_bearer = HTTPBearer(auto_error=False, description="A key of CODING_AGENT_API_KEYS.")


class _DescribedCookie(APIKeyCookie):
    """A cookie that is named in the OpenAPI document, and read by the guard alone."""

    async def __call__(self, request: HTTPConnection) -> str | None:  # noqa: ARG002
        return None


_session = _DescribedCookie(
    name=SECURE_COOKIE,
    scheme_name=APIKeyCookie.__name__,
    auto_error=False,
    description="A session of `POST /session`. A call that changes something needs our `Origin`.",
)


async def _service(request: Request) -> RunService:
    return cast("RunService", request.state.service)


def _of_app(name: str) -> Any:
    """What the app was made with."""

    async def get(request: Request) -> Any:
        return getattr(request.app.state, name)

    return Depends(get)


async def _caller(
    request: Request,
    _: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    __: Annotated[str | None, Security(_session)],
) -> Caller:
    """Found by the guard; the two schemes are named here for the OpenAPI document."""
    options: AppOptions = request.app.state.options
    return options.with_visibility(cast("Caller", request.state.caller))


Service = Annotated[RunService, Depends(_service)]
Options = Annotated[AppOptions, _of_app("options")]
TheProbes = Annotated[Probes, _of_app("probes")]
TheAuth = Annotated[Auth, _of_app("auth")]
TheMetrics = Annotated[Metrics, _of_app("metrics")]
Readers = Annotated[KeyStreamLimit, _of_app("key_readers")]
TheCaller = Annotated[Caller, Depends(_caller)]


def query(*names: str) -> Any:
    """Refuses query parameters that are given twice or that nobody reads: a typo is no filter."""

    async def check(request: Request) -> None:
        given = [name for name, _ in request.query_params.multi_items()]
        if len(set(given)) < len(given) or not set(given) <= set(names):
            raise InvalidRequest(f"The query takes {', '.join(names)}, each once.")

    return Depends(check)


_RunId = Annotated[
    str, Path(description="Id of the run.", json_schema_extra={"pattern": CALLED_ID.pattern})
]


async def _run(
    run_id: _RunId,
    request: Request,
    service: Service,
    caller: TheCaller,
) -> RunRecord:
    """The run of this path, if the caller may see it; the answer's headers will name it."""
    if not CALLED_ID.fullmatch(run_id):
        raise RunNotFound("There is no such run.")
    record = await service.get(run_id, caller)
    request.state.run_id = record.run_id
    return record


TheRun = Annotated[RunRecord, Depends(_run)]


async def _run_to_remove(
    run_id: _RunId, request: Request, service: Service, caller: TheCaller, options: Options
) -> RunRecord | None:
    """The run of this path; None where this very call, begun again elsewhere, has removed it."""
    try:
        return await _run(run_id, request, service, caller)
    except RunNotFound:
        if options.call_name() and await service.was_removed(run_id, caller):
            return None
        raise


TheRunToRemove = Annotated[RunRecord | None, Depends(_run_to_remove)]


async def _respond_async(prefer: Annotated[list[str], Header()] = []) -> bool:  # noqa: B006
    """Whether the caller prefers an answer before the run is done."""
    asked = (part.partition(";")[0].strip().lower() for part in ",".join(prefer).split(","))
    return "respond-async" in asked


RespondAsync = Annotated[bool, Depends(_respond_async)]


PAGE: Final = 200
"""Events of a page where nobody says how many."""
Last = Annotated[
    int | None, Query(ge=1, le=1000, description="At most so many of the newest events.")
]
Before = Annotated[
    int | None,
    Query(ge=1, le=10**15, description="Only events before this number, as a page of JSON."),
]


async def _reader(service: Service, keys: Readers, caller: TheCaller) -> AsyncIterator[None]:
    """A reader's place, held until the stream's end. Raises TooManyReaders."""
    with keys.place(caller.name), service.readers():
        yield


async def _reader_unless_async(
    service: Service, keys: Readers, caller: TheCaller, respond_async: RespondAsync
) -> AsyncIterator[None]:
    """The same, where the answer is a stream."""
    if respond_async:
        yield
    else:
        with keys.place(caller.name), service.readers():
            yield


async def _reader_unless_page(
    service: Service, keys: Readers, caller: TheCaller, before: Before = None
) -> AsyncIterator[None]:
    """The same, of a run's events."""
    if before is not None:
        yield
    else:
        with keys.place(caller.name), service.readers():
            yield


async def _stream_times(request: Request, options: Options) -> StreamTimes:
    """How long a stream may last: by a session no longer than that."""
    times = options.stream_times
    end: float | None = getattr(request.state, "session_end", None)
    if end is None:
        return times
    left = max(0.0, end - time.time())
    return replace(times, whole=left if times.whole is None else min(left, times.whole))


TheStreamTimes = Annotated[StreamTimes, Depends(_stream_times)]
ReaderPlace = Depends(_reader)
ReaderPlaceUnlessAsync = Depends(_reader_unless_async)
ReaderPlaceUnlessPage = Depends(_reader_unless_page)


async def _after(
    last_event_id: Annotated[
        str | None, Header(description="Number of the last event that was read.")
    ] = None,
    after: Annotated[str | None, Query(description="The same, where a header is awkward.")] = None,
    last: Last = None,
    before: Before = None,
) -> int | None:
    """Where to go on reading; the header wins, because a browser reconnects with it."""
    if after is not None and (last is not None or before is not None):
        raise InvalidRequest("after goes without last and before.")
    given = last_event_id if last_event_id is not None else after
    if given is None:
        return None
    if not _SEQ.fullmatch(given):
        raise InvalidRequest("Last-Event-ID takes the whole number of an event.")
    return int(given)


After = Annotated[int | None, Depends(_after)]


def repository_of(repo_url: str, caller: Caller, options: AppOptions) -> str:
    """The full name of a repository that this caller may work on."""
    full_name = options.check_repo_url(repo_url)
    if not options.repo_allowed(caller.name, full_name):
        raise RepositoryNotAllowed(f"{full_name} is outside CODING_AGENT_REPOS.")
    return full_name
