"""Watching all runs at once."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response

from api.http.routes.dependencies import ReaderPlace, Service, TheCaller, TheStreamTimes, query
from api.http.routes.openapi import FEED, problems
from api.http.routes.streams import feed_stream, moment_of

router = APIRouter()


@router.get(
    "/events",
    tags=["runs"],
    summary="Watch all runs",
    dependencies=[query("after"), ReaderPlace],
    responses={200: FEED, **problems(422)},
    response_class=Response,
)
async def watch_runs(
    service: Service,
    caller: TheCaller,
    times: TheStreamTimes,
    last_event_id: Annotated[str | None, Header(description="Cursor of the last row.")] = None,
    after: Annotated[str | None, Query(description="The same, where a header is awkward.")] = None,
) -> Response:
    """The rows of the runs that the caller may read, as they change; each at most once a second.

    With a cursor those come first that changed since; a row may come twice. A run that somebody
    removes is told once more, as `run.removed`.
    """
    cursor = last_event_id if last_event_id is not None else after
    since = None if cursor is None else moment_of(cursor)
    return feed_stream(service.changes(caller, since), cursor, times)
