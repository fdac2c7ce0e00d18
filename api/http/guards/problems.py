"""Errors as problem documents (RFC 9457): what a caller may know, and nothing else."""

import logging
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.http.guards.methods import allowed_methods
from graph import errors

Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")

STATUS: Final[dict[type[errors.CodingAgentError], int]] = {
    errors.CodingAgentError: 500,
    errors.RequestError: 422,
    errors.InvalidRequest: 422,
    errors.InvalidRepoUrl: 422,
    errors.EnvironmentNotFound: 404,
    errors.RepositoryNotAllowed: 404,
    errors.ModelNotAllowed: 422,
    errors.BranchNotAllowed: 422,
    errors.LimitRaised: 422,
    errors.IdempotencyMismatch: 422,
    errors.RunRemoved: 410,
    errors.RunError: 409,
    errors.RunNotFound: 404,
    errors.RunNotYours: 403,
    errors.RunActive: 409,
    errors.RunFinished: 409,
    errors.RunNotWaiting: 409,
    errors.RunAbandoned: 409,
    errors.PlanChanged: 409,
    errors.TooManyRuns: 429,
    errors.DailyBudgetExhausted: 429,
    errors.TooManyReaders: 429,
    errors.RepositoryError: 502,
    errors.RepositoryNotFound: 404,
    errors.BranchNotFound: 422,
    errors.BranchExists: 422,
    errors.CommitNotFound: 422,
    errors.EmptyRepository: 422,
    errors.RepositoryArchived: 422,
    errors.RepositoryTooLarge: 422,
    errors.PullRequestNotFound: 404,
    errors.PullRequestClosed: 409,
    errors.PullRequestMoved: 409,
    errors.PullRequestOpen: 409,
    errors.PatchTooLarge: 422,
    errors.PatchUnusable: 422,
    errors.PushRejected: 502,
    errors.PushBlocked: 422,
    errors.GitFailed: 502,
    errors.SecretSearchFailed: 500,
    errors.SigningFailed: 500,
    errors.ForgeError: 502,
    errors.ForgeUnauthorized: 502,
    errors.ForgeForbidden: 502,
    errors.AppNotInstalled: 502,
    errors.AppSuspended: 502,
    errors.ForgeRateLimited: 503,
    errors.ForgeUnavailable: 503,
    errors.ForgeRejected: 502,
    errors.ClaudeError: 502,
    errors.ClaudeUnauthorized: 502,
    errors.ClaudeBilling: 502,
    errors.ClaudeRateLimited: 503,
    errors.ClaudeUnavailable: 503,
    errors.ClaudeRejected: 502,
    errors.ClaudeRefused: 502,
    errors.ContextExceeded: 502,
    errors.RoleError: 500,
    errors.RoleTurnLimit: 500,
    errors.RoleInCircles: 500,
    errors.RoleNoAnswer: 500,
    errors.RoleSuperseded: 500,
    errors.RoleLost: 500,
    errors.SecretInChange: 500,
    errors.PriceUnknown: 422,
    errors.SandboxError: 500,
    errors.SandboxUnavailable: 503,
    errors.SandboxLost: 500,
    errors.SetupFailed: 422,
    errors.StoreError: 500,
    errors.StoreLocked: 503,
    errors.StoreFull: 507,
    errors.StoreDamaged: 500,
    errors.DataFolderUnusable: 500,
    errors.StoreUnavailable: 503,
    errors.StoreStale: 503,
    errors.VersionChanged: 409,
}
_RETRY_AFTER_S: Final[dict[type[errors.CodingAgentError], int]] = {
    errors.TooManyRuns: 30,
    errors.TooManyReaders: 10,
    errors.StoreLocked: 1,
    errors.StoreUnavailable: 5,
    errors.StoreStale: 5,
}
_DETAILS: Final = {
    # Errors whose own message repeats what was sent, or must not tell one cause from another.
    "repository_not_found": "There is no such repository that this service may work on.",
    "invalid_repo_url": "repoUrl is not the address of a repository below the configured host.",
    "model_not_allowed": "model is not one that this service offers.",
    "branch_not_allowed": "branch does not begin as this service's branches do.",
    "limit_raised": "A limit is above the operator's.",
    "idempotency_mismatch": "This Idempotency-Key came before, with another request.",
    "run_removed": "The run that this Idempotency-Key started has been removed.",
    "run_not_found": "There is no such run.",
    "plan_changed": "That plan is not, or no longer, the one that waits.",
}
_HINTS: Final = {
    "repository_not_found": (
        "Check the name, and that the service's token and list of repositories cover it."
    ),
}
_HTTP_CODES: Final = {
    400: ("invalid_request", "The request cannot be read."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take this method."),
}


class FieldError(BaseModel):
    """Where in the body a value does not fit, as a JSON pointer, and why."""

    pointer: str = Field(examples=["/maxCostUsd"])
    message: str = Field(examples=["Input should be greater than 0"])
    parameter: str | None = Field(default=None, description="Query, path or header parameter.")


class Problem(BaseModel):
    """A problem document: `code` is stable, `detail` and `hint` are for people."""

    type: str = Field(examples=["urn:coding-agent:problem:run_not_found"])
    title: str = Field(examples=["Run not found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no such run."])
    code: str = Field(examples=["run_not_found"])
    hint: str | None = None
    errors: list[FieldError] | None = None


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    hint: str = "",
    fields: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A problem document as a response."""
    document = Problem(
        type=f"urn:coding-agent:problem:{code}",
        title=_title(code),
        status=status,
        detail=detail,
        code=code,
        hint=hint or None,
        errors=list(fields) or None,
    )
    return JSONResponse(
        document.model_dump(exclude_none=True),
        status_code=status,
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def unauthorized_problem(
    detail: str,
    *,
    hint: str = "Send 'Authorization: Bearer KEY' with a key of this service.",
    presented: bool = False,
) -> JSONResponse:
    """What a caller without a valid key is told; `presented`: it sent one that is not valid."""
    challenge = 'Bearer realm="coding-agent"' + (', error="invalid_token"' if presented else "")
    return problem(401, "unauthorized", detail, hint=hint, headers={"WWW-Authenticate": challenge})


class ProblemError(Exception):
    """Raised when a request is refused for a reason that is HTTP's own."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        hint: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.answer = problem(status, code, detail, hint=hint, headers=headers)


def unexpected_problem() -> JSONResponse:
    """What a caller learns of an error nobody expected."""
    return problem(
        500,
        errors.CodingAgentError.code,
        "Something went wrong inside the service.",
        hint="See the service's log.",
    )


def status_of(error: errors.CodingAgentError) -> int:
    """The status of the error's class, or of the nearest one above it."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


async def on_error(_: Request, error: Exception) -> Response:
    """Answer one of our errors; from 500 on its message stays in the log."""
    if not isinstance(error, errors.CodingAgentError):
        raise error
    status = status_of(error)
    if status >= 500:
        log.error("%s: %s", error.code, error.message)
        detail, hint = f"{_title(error.code)}.", error.default_hint
    else:
        detail = _DETAILS.get(error.code, error.message)
        hint = _HINTS.get(error.code, error.hint)
    field = error.field if isinstance(error, errors.RequestError) else ""
    pointer = f"/{field}" if field else ""
    fields = [FieldError(pointer=pointer, message=detail)] if status == 422 else []
    known = _RETRY_AFTER_S.get(type(error))
    wait = error.wait_s if isinstance(error, errors.DailyBudgetExhausted) else known
    headers = {"Retry-After": str(wait)} if wait else None
    return problem(status, error.code, detail, hint=hint, fields=fields, headers=headers)


async def on_refused(_: Request, error: Exception) -> Response:
    """Answer with the problem that was prepared."""
    if not isinstance(error, ProblemError):
        raise error
    return error.answer


async def on_invalid(_: Request, error: Exception) -> Response:
    """Answer a request that does not fit its schema, without repeating what was sent."""
    if not isinstance(error, RequestValidationError):
        raise error
    fields = [_field_error(item) for item in error.errors()]
    return problem(422, "invalid_request", "The request does not fit; see `errors`.", fields=fields)


async def on_http(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses by itself."""
    if not isinstance(error, HTTPException):
        raise error
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": allowed_methods(request.scope)}
    code, detail = _HTTP_CODES.get(
        error.status_code, ("http_error", f"{HTTPStatus(error.status_code).phrase}.")
    )
    return problem(error.status_code, code, detail, headers=headers)


def _title(code: str) -> str:
    return code.replace("_", " ").capitalize()


def _field_error(item: Mapping[str, Any]) -> FieldError:
    where, *path = item["loc"]
    message = str(item["msg"]).removeprefix("Value error, ")
    if where != "body":
        return FieldError(pointer="", message=message, parameter=str(path[0]) if path else None)
    if item["type"] == "json_invalid":
        return FieldError(pointer="", message="The body is not valid JSON.")
    if item["type"] == "extra_forbidden" and not _FIELD.fullmatch(str(path[-1])):
        path = path[:-1]
    return FieldError(pointer="".join(f"/{part}" for part in path), message=message)


HANDLERS: Final[dict[int | type[Exception], Handler]] = {
    errors.CodingAgentError: on_error,
    ProblemError: on_refused,
    RequestValidationError: on_invalid,
    HTTPException: on_http,
}
