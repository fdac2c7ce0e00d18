"""A browser's session: signing in with a key, who is signed in, signing out."""

import time
from typing import Any, Final, get_args

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from api.http.guards.problems import unauthorized_problem
from api.http.guards.session import set_cookie
from api.http.routes.dependencies import Options, Service, TheAuth, TheCaller, query
from api.http.routes.openapi import problems
from api.http.routes.response_models import LimitsView, RepositoryList, SessionView, dump
from graph import AllowName

router = APIRouter(prefix="/session", tags=["session"], dependencies=[query()])

_COOKIE: Final[dict[str, Any]] = {
    "Set-Cookie": {"schema": {"type": "string"}, "description": "Only where keys are set."}
}
_SIGNED_IN: Final = {"description": "It is signed in.", "headers": _COOKIE}
_SIGNED_OUT: Final = {"description": "Its cookie is taken back.", "headers": _COOKIE}


@router.post(
    "",
    status_code=204,
    summary="Sign a browser in",
    responses={204: _SIGNED_IN, **problems(422)},
    response_class=Response,
)
async def sign_in(request: Request, _: TheCaller, auth: TheAuth) -> Response:
    """Set a cookie that stands for the key of `Authorization` for twelve hours.

    A session does not draw itself out: the key is asked for again. Without keys there is none.
    """
    if not auth.required:
        return Response(status_code=204)
    token = auth.open_session(request.headers.get("authorization"), time.time())
    if token is None:
        return unauthorized_problem("Signing in takes the key itself.")
    return Response(status_code=204, headers={"Set-Cookie": set_cookie(request.headers, token)})


@router.get(
    "",
    summary="Show who calls",
    responses={200: {"model": SessionView}, **problems(422)},
    response_class=Response,
)
async def show_session(
    caller: TheCaller, auth: TheAuth, service: Service, options: Options
) -> Response:
    """The name of the key that calls, whether by a session or by itself."""
    limits, rules = service.limits, service.rules
    view = SessionView(
        name=caller.name,
        operator=caller.operator,
        key_required=auth.required,
        limits=LimitsView(
            max_cost_usd=limits.max_cost_usd or None,
            max_fix_rounds=limits.max_fix_rounds,
            timeout_s=limits.timeout_s,
        ),
        repositories=list(options.repo_globs(caller.name)),
        models=list(rules.models),
        branch_prefix="" if rules.any_branch else rules.branch_prefix,
        allow=list(get_args(AllowName) if rules.allow is None else rules.allow),
    )
    return JSONResponse(dump(view))


@router.get(
    "/repositories",
    summary="List the repositories that may be used",
    responses={200: {"model": RepositoryList}, **problems(422)},
    response_class=Response,
)
async def list_repositories(caller: TheCaller, options: Options) -> Response:
    """Of the hundred last pushed that the forge lists, those that the key may use.

    For an App of GitHub they are of the first thousand of each of its first ten installations.
    None where the forge does not tell.
    """
    names = await options.known_repositories()
    usable = [name for name in names if options.repo_allowed(caller.name, name)]
    return JSONResponse(dump(RepositoryList(repositories=usable)))


@router.delete(
    "",
    status_code=204,
    summary="Sign a browser out",
    responses={204: _SIGNED_OUT, **problems(422)},
    response_class=Response,
)
async def sign_out(request: Request, _: TheCaller) -> Response:
    """Take the cookie back."""
    return Response(status_code=204, headers={"Set-Cookie": set_cookie(request.headers, "")})
