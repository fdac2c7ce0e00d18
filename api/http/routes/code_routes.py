"""Starting and finding runs."""

from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse, Response

from api.http.credential_probes import auth_test
from api.http.routes.dependencies import (
    Options,
    ReaderPlaceUnlessAsync,
    RespondAsync,
    Service,
    TheCaller,
    TheProbes,
    TheStreamTimes,
    query,
    repository_of,
)
from api.http.routes.openapi import STREAM, of_a_run, problems
from api.http.routes.request_models import CodeRequest
from api.http.routes.response_models import AuthTest, RunList, RunSummary, RunView, dump
from api.http.routes.streams import run_stream
from graph import Status
from graph.errors import RepositoryNotAllowed

router = APIRouter()

_PRINTABLE: Final = r"^[\x21-\x7e]+$"
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        pattern=_PRINTABLE,
        description="Makes a repeat of the same request join the same run.",
    ),
]


@router.post(
    "/code",
    tags=["runs"],
    summary="Start a run",
    dependencies=[ReaderPlaceUnlessAsync],
    responses={
        200: STREAM,
        202: of_a_run({"description": "With `Prefer: respond-async`: the run.", "model": RunView}),
        **problems(404, 410, body=True),
    },
    response_class=Response,
)
async def start_run(
    body: CodeRequest,
    request: Request,
    service: Service,
    caller: TheCaller,
    options: Options,
    respond_async: RespondAsync,
    times: TheStreamTimes,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Start a run and watch it: its events until its last, or at once the run itself.

    The run goes on when the connection does not. A repeat with the same `Idempotency-Key` joins
    the run that the first request started; once that run is removed it is 410 for two days.
    """
    asked = await service.follow(body.run_request(), caller)
    repository_of(asked["repo_url"], caller, options)
    called = options.call_name()
    key = idempotency_key or (f"call:{called}" if called else None)
    record, _ = await service.start(asked, owner=caller.name, idempotency_key=key, day=options.day)
    run_id = request.state.run_id = record.run_id
    if respond_async:
        view = await service.view(run_id, caller)
        return JSONResponse(view, 202, headers={"Preference-Applied": "respond-async"})
    return run_stream(run_id, service.events(run_id), 0, times)


@router.get(
    "/runs",
    tags=["runs"],
    summary="List runs",
    dependencies=[query("status", "repo", "limit", "cursor")],
    responses={200: {"model": RunList}, **problems(422)},
    response_class=Response,
)
async def list_runs(
    service: Service,
    caller: TheCaller,
    status: Annotated[Status | None, Query(description="Of this status alone.")] = None,
    repo: Annotated[
        str | None, Query(max_length=500, description="Of this repository alone.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="At most so many.")] = 20,
    cursor: Annotated[
        str | None, Query(max_length=200, description="`nextCursor` of the page before.")
    ] = None,
) -> Response:
    """The caller's runs, newest first; an operator's list holds everybody's."""
    records, following = await service.list(
        caller, status=status, repo=repo, limit=limit, cursor=cursor
    )
    runs = [RunSummary.model_validate(record.row()) for record in records]
    return JSONResponse(dump(RunList(runs=runs, next_cursor=following)))


@router.get(
    "/auth-test",
    tags=["service"],
    summary="Try the service's credentials",
    dependencies=[query("repoUrl")],
    responses={200: {"model": AuthTest}, **problems(422)},
    response_class=Response,
)
async def try_credentials(
    probes: TheProbes,
    caller: TheCaller,
    options: Options,
    repo_url: Annotated[
        str | None,
        Query(alias="repoUrl", max_length=500, description="Also say what may be done there."),
    ] = None,
) -> Response:
    """Try Claude's key and GitHub's token; nothing is changed."""
    allowed = repo_url is not None
    try:
        if repo_url is not None:
            repository_of(repo_url, caller, options)
    except RepositoryNotAllowed:
        allowed = False
    return JSONResponse(dump(await auth_test(probes, repo_url, allowed=allowed)))
