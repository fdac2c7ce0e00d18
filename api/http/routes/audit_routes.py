"""Who did what to runs."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from api.http.routes.dependencies import Service, TheCaller, query
from api.http.routes.openapi import problems
from api.http.routes.response_models import Audit, dump

router = APIRouter()


@router.get(
    "/audit",
    tags=["runs"],
    summary="List who did what",
    dependencies=[query("limit", "cursor")],
    responses={200: {"model": Audit}, **problems(422)},
    response_class=Response,
)
async def list_acts(
    service: Service,
    caller: TheCaller,
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many.")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=300, description="`nextCursor` of the page before.")
    ] = None,
) -> Response:
    """Who approved, messaged, cancelled, resumed, raised limits or removed, newest first.

    Of the runs that the caller may read, removed ones too.
    """
    acts, following = await service.acts(caller, limit=limit, cursor=cursor)
    page = {"acts": [act.row() for act in acts], "nextCursor": following}
    return JSONResponse(dump(Audit.model_validate(page)))
