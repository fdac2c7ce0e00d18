"""The HTTP service, put together."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final

from fastapi import FastAPI
from starlette.middleware import Middleware

from api.http import deliveries
from api.http.credential_probes import Probes
from api.http.guards.auth import Auth
from api.http.guards.methods import MethodMiddleware
from api.http.guards.problems import HANDLERS
from api.http.guards.rate_limit import KeyRateLimit
from api.http.guards.request_guards import BodyGuard, HostGuard, KeyGuard
from api.http.guards.response_middleware import (
    AccessLogMiddleware,
    SecurityHeadersMiddleware,
    UnhandledErrorMiddleware,
)
from api.http.guards.stream_limit import KeyStreamLimit
from api.http.metrics import Metrics
from api.http.options import AppOptions
from api.http.routes import (
    audit_routes,
    environment_routes,
    feed_routes,
    figures_routes,
    run_routes,
    service_routes,
    session_routes,
)
from api.http.routes import code_routes as routes
from api.http.routes.openapi import describe
from api.http.telemetry import FASTAPI
from runs import RunService

_DESCRIPTION: Final = """\
A sentence and a repository in, a reviewed pull request out.

`POST /code` starts a run and streams what happens; a run goes on without its watchers. With keys \
set, calls need `Authorization: Bearer KEY`, or a browser's session. Errors are problem documents \
(RFC 9457) with a stable `code`.
"""


def create_app(
    *,
    open_service: Callable[[], AbstractAsyncContextManager[RunService]],
    probes: Probes,
    auth: Auth,
    options: AppOptions,
) -> FastAPI:
    """The app over one service, which is open while the app is."""
    metrics = Metrics(
        version=options.version, sandboxes=options.sandbox_counts, shared=options.shared_store
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, RunService]]:
        async with open_service() as service:
            service.observe(metrics.observe)
            yield {"service": service}

    app = FastAPI(
        title="Coding agent",
        summary="Four Claude roles that turn a request into a reviewed pull request.",
        description=_DESCRIPTION,
        version=options.version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        exception_handlers=HANDLERS,
        telemetry=FASTAPI,
        middleware=_middleware(auth, options),
    )
    app.state.options = options
    app.state.auth = auth
    app.state.probes = probes
    app.state.metrics = metrics
    app.state.key_readers = KeyStreamLimit(options.max_key_readers if auth.required else 0)
    app.include_router(routes.router)
    app.include_router(audit_routes.router)
    app.include_router(feed_routes.router)
    app.include_router(figures_routes.router)
    app.include_router(run_routes.router)
    app.include_router(environment_routes.router)
    app.include_router(deliveries.router)
    app.include_router(session_routes.router)
    app.include_router(service_routes.router)
    app.mount("/assets", service_routes.Assets(directory=service_routes.PAGE), name="assets")
    app.openapi = partial(describe, app)  # type: ignore[method-assign]
    return app


def _middleware(auth: Auth, options: AppOptions) -> list[Middleware]:
    """From the outermost to the one before the routes."""
    return [
        Middleware(AccessLogMiddleware),
        Middleware(SecurityHeadersMiddleware),
        Middleware(UnhandledErrorMiddleware),
        Middleware(HostGuard, hosts=options.hosts),
        Middleware(KeyGuard, auth=auth, rate=KeyRateLimit(options.key_rate)),
        Middleware(BodyGuard, max_bytes=options.max_body_bytes),
        Middleware(MethodMiddleware),
    ]
