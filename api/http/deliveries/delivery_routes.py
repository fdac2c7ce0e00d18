"""Where a forge delivers what happens there."""

import asyncio
import re
from typing import Annotated, Final

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response

from api.http.deliveries.signature import is_signed
from api.http.guards.problems import ProblemError
from api.http.guards.request_guards import DELIVERIES
from api.http.routes.dependencies import Options
from api.http.routes.openapi import problems

router = APIRouter()

_EVENT: Final = r"^[a-z_]{1,50}$"
_DELIVERY: Final = r"^[A-Za-z0-9-]{1,100}$"
# Patterns are only told: the signature is looked at before anything else is said.
Name = Annotated[
    str,
    Header(
        alias="X-GitHub-Event",
        json_schema_extra={"pattern": _EVENT},
        description="What happened.",
    ),
]
Delivery = Annotated[
    str,
    Header(
        alias="X-GitHub-Delivery",
        json_schema_extra={"pattern": _DELIVERY},
        description="Name of the delivery; the same when it comes again.",
    ),
]
Signature = Annotated[
    str,
    Header(
        alias="X-Hub-Signature-256",
        json_schema_extra={"maxLength": 200},
        description="`sha256=` and the HMAC of the body by a secret of the service.",
    ),
]


@router.post(
    DELIVERIES,
    tags=["service"],
    summary="Take a delivery of GitHub",
    status_code=202,
    responses={**problems(404, body=True)},
    response_class=Response,
    openapi_extra={
        "security": [],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
    },
)
async def take_delivery(
    request: Request,
    options: Options,
    signature: Signature = "",
    event: Name = "",
    delivery: Delivery = "",
) -> Response:
    """Keep what GitHub tells, to be worked off later; the same delivery again changes nothing.

    The signature is its key, so that none is sent. Deliveries that begin nothing are answered
    alike.
    """
    if options.deliveries is None:
        raise ProblemError(404, "not_found", "No secret for deliveries is set here.")
    body = await request.body()
    if not await asyncio.to_thread(is_signed, body, signature, options.deliveries.secrets):
        raise ProblemError(
            401,
            "unauthorized",
            "The delivery is not signed with a secret of this service.",
            hint="Set CODING_AGENT_GITHUB_WEBHOOK_SECRETS to the secret of the webhook.",
        )
    for pattern, header, value in (
        (_EVENT, "X-GitHub-Event", event),
        (_DELIVERY, "X-GitHub-Delivery", delivery),
    ):
        if not re.fullmatch(pattern, value):
            detail = f"The delivery's `{header}` is {value[:100]!a}, which GitHub does not send."
            raise ProblemError(422, "invalid_request", detail)
    await options.deliveries.inbox.take(event, delivery, body)
    return Response(status_code=202)
