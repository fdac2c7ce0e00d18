"""Whether the service is alive, its page, and its own documentation."""

import logging
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse, JSONResponse, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api.http.guards.problems import ProblemError
from api.http.routes.dependencies import Options, Service, TheCaller, TheMetrics
from api.http.routes.openapi import METRICS, problems
from api.http.routes.response_models import Health, Ready, dump
from graph.errors import StoreError

log = logging.getLogger(__name__)

PAGE: Final = Path(__file__).parents[1] / "page"

router = APIRouter(tags=["service"])


@router.get("/health", summary="Liveness", responses={200: {"model": Health}, **problems()})
async def health(options: Options) -> Response:
    """The process answers."""
    return JSONResponse(dump(Health(version=options.version)))


@router.get("/ready", summary="Readiness", responses={200: {"model": Ready}, **problems()})
async def ready(service: Service) -> Response:
    """Runs can be started; else 503 with a code."""
    if code := await service.ready():
        raise ProblemError(503, code, "The service cannot start runs now.")
    return JSONResponse(dump(Ready()))


@router.get(
    "/metrics",
    summary="Metrics",
    responses={200: METRICS, **problems()},
    response_class=Response,
)
async def metrics(service: Service, metrics: TheMetrics, _: TheCaller) -> Response:
    """What this process counted since its start and how the store stands, for Prometheus."""
    try:
        stats = await service.stats()
    except StoreError as error:
        log.warning("metrics without the store: %s", error.message)
        stats = None
    return Response(metrics.render(stats), media_type=CONTENT_TYPE_PLAIN_0_0_4)


@router.get("/", include_in_schema=False)
async def page() -> Response:
    return FileResponse(PAGE / "index.html", media_type="text/html")


@router.get("/docs", include_in_schema=False)
async def docs() -> Response:
    return FileResponse(PAGE / "docs.html", media_type="text/html")


class Assets(StaticFiles):
    """Our own scripts and styles; a browser asks whether they have changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response
