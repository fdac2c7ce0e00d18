"""What set-up does on a repository, and forgetting it."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse, Response

from api.http.options import AppOptions
from api.http.routes.dependencies import Options, TheCaller, query, repository_of
from api.http.routes.openapi import problems
from api.http.routes.response_models import EnvironmentRecordView, dump
from graph import EnvironmentRecords
from graph.errors import EnvironmentNotFound
from runs.model import Caller

_PART = r"^[A-Za-z0-9._-]{1,100}$"
Owner = Annotated[str, Path(description="Owner of the repository.", pattern=_PART)]
Repo = Annotated[str, Path(description="Its name.", pattern=_PART)]

router = APIRouter(prefix="/environments", tags=["environments"])


@router.get(
    "/{owner}/{repo}",
    summary="What set-up does there",
    responses={200: {"model": EnvironmentRecordView}, **problems(404, 422)},
    dependencies=[query()],
)
async def get_environment(
    owner: Owner, repo: Repo, options: Options, caller: TheCaller
) -> Response:
    """The newest environment of the repository, and how its checks ended on that commit."""
    records, name = _records(owner, repo, options, caller)
    record = await records.get(name)
    if record is None:
        raise EnvironmentNotFound(f"No environment of {owner}/{repo} is known.")
    return JSONResponse(dump(EnvironmentRecordView.of(record)))


@router.delete(
    "/{owner}/{repo}",
    summary="Forget it",
    status_code=204,
    responses={204: {"description": "It is forgotten."}, **problems(404, 422)},
    dependencies=[query()],
    response_class=Response,
)
async def forget_environment(
    owner: Owner, repo: Repo, options: Options, caller: TheCaller
) -> Response:
    """The next run makes it from nothing."""
    records, name = _records(owner, repo, options, caller)
    if not await records.forget(name):
        raise EnvironmentNotFound(f"No environment of {owner}/{repo} is known.")
    return Response(status_code=204)


def _records(
    owner: str, repo: str, options: AppOptions, caller: Caller
) -> tuple[EnvironmentRecords, str]:
    """The records, and the repository's name in them. What a caller may not use is not there."""
    name = repository_of(f"{owner}/{repo}", caller, options)
    if options.environments is None:
        raise EnvironmentNotFound(f"No environment of {owner}/{repo} is known.")
    return options.environments, name.lower()
