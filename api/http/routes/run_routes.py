"""Watching and steering one run."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query
from fastapi.responses import JSONResponse, Response

from api.http.routes.dependencies import (
    PAGE,
    After,
    Before,
    Last,
    Options,
    ReaderPlaceUnlessPage,
    Service,
    TheCaller,
    TheRun,
    TheRunToRemove,
    TheStreamTimes,
    query,
)
from api.http.routes.openapi import DIFF, STREAM, of_a_run, problems
from api.http.routes.request_models import MessageRequest, PlanAnswer, ResumeRequest
from api.http.routes.response_models import Accepted, EventPage, RunView, dump, event_page
from api.http.routes.streams import run_stream
from graph.errors import RunFinished
from runs.model import RaisedLimits

router = APIRouter(prefix="/runs/{run_id}", tags=["runs"])

_ACCEPTED: Final = of_a_run({"description": "It will be done.", "model": Accepted})
_WISH: Final[dict[str, Any]] = {
    "status_code": 202,
    "responses": {202: _ACCEPTED, **problems(404, 409, body=True)},
    "response_class": Response,
}


@router.get(
    "",
    summary="Show a run",
    dependencies=[query("wait")],
    responses={200: of_a_run({"model": RunView}), **problems(404, 422)},
    response_class=Response,
)
async def show_run(
    run: TheRun,
    service: Service,
    caller: TheCaller,
    wait: Annotated[
        float, Query(ge=0, le=60, description="Answer at the run's end, or after these seconds.")
    ] = 0,
) -> Response:
    """The run with all that it found so far."""
    if wait and not run.final:
        await service.wait(run.run_id, wait)
    return JSONResponse(await service.view(run.run_id, caller))


@router.get(
    "/events",
    summary="Watch a run",
    dependencies=[query("after", "last", "before"), ReaderPlaceUnlessPage],
    responses={
        200: {**STREAM, "model": EventPage},
        204: of_a_run({"description": "The run has ended, and nothing is left to read."}),
        **problems(404, 422),
    },
    response_class=Response,
)
async def watch_run(
    run: TheRun,
    service: Service,
    times: TheStreamTimes,
    after: After,
    last: Last = None,
    before: Before = None,
) -> Response:
    """The run's events from the start, or after the one that was read last; live to its end.

    With `last` the stream begins with so many of the newest events. With `before` the answer is
    one page of earlier events as JSON. 204 where the run has ended and its last event was read: a
    browser then asks no more.
    """
    if before is not None:
        events = await service.page(run.run_id, min(before, run.last_seq + 1), last or PAGE)
        return Response(event_page(events), media_type="application/json")
    if after is None:
        after = max(0, run.last_seq - last) if last else 0
    if run.final and after >= run.last_seq:
        return Response(status_code=204)
    return run_stream(run.run_id, service.events(run.run_id, after), after, times)


@router.get(
    "/diff",
    summary="Show the change",
    responses={
        200: DIFF,
        204: of_a_run({"description": "There is no change."}),
        **problems(404, 422),
    },
    response_class=Response,
)
async def show_diff(run: TheRun, service: Service, caller: TheCaller) -> Response:
    """The change so far, as a file."""
    diff = await service.diff(run.run_id, caller)
    if not diff:
        return Response(status_code=204)
    headers = {
        "Content-Type": "text/x-diff",
        "Content-Disposition": f'attachment; filename="{run.run_id}.diff"',
    }
    return Response(diff, headers=headers)


@router.post(
    "/cancel",
    summary="Cancel a run",
    responses={
        200: of_a_run({"description": "It was asked for before.", "model": Accepted}),
        202: _ACCEPTED,
        **problems(404, 409, body=True),
    },
    response_class=Response,
)
async def cancel_run(run: TheRun, service: Service, caller: TheCaller) -> Response:
    """Stop the run and all its processes; nothing more is sent to the forge."""
    try:
        newly_asked = await service.cancel(run.run_id, caller)
    except RunFinished:
        if (await service.get(run.run_id, caller)).status != "cancelled":
            raise
        newly_asked = False
    return await _accepted(run, service, caller, 202 if newly_asked else 200)


@router.post(
    "/plan",
    summary="Answer a plan",
    **_WISH,
)
async def answer_plan(
    body: PlanAnswer, run: TheRun, service: Service, caller: TheCaller, options: Options
) -> Response:
    """Approve the waiting plan, have it planned again, or reject it."""
    await service.answer_plan(
        run.run_id, caller, body.approval(), options.day, options.call_name() or ""
    )
    return await _accepted(run, service, caller)


@router.post(
    "/resume",
    summary="Carry a run on",
    **_WISH,
)
async def resume_run(
    run: TheRun,
    service: Service,
    caller: TheCaller,
    options: Options,
    body: Annotated[ResumeRequest | None, Body()] = None,
) -> Response:
    """Carry a run on that ended before its work was done, from where it stopped."""
    limits = RaisedLimits(**(body or ResumeRequest()).model_dump())
    await service.resume(run.run_id, caller, limits, options.day, options.call_name() or "")
    return await _accepted(run, service, caller)


@router.post(
    "/messages",
    summary="Tell a run something",
    **_WISH,
)
async def send_message(
    body: MessageRequest, run: TheRun, service: Service, caller: TheCaller, options: Options
) -> Response:
    """The working role reads it at its next turn."""
    await service.message(run.run_id, caller, body.text, options.call_name() or "")
    return await _accepted(run, service, caller)


@router.delete(
    "",
    status_code=204,
    summary="Delete a run",
    responses={204: {"description": "It is gone."}, **problems(404, 409, 422)},
    response_class=Response,
)
async def delete_run(run: TheRunToRemove, service: Service, caller: TheCaller) -> Response:
    """Remove a finished run: its record, events, checkpoint and workspace."""
    if run:
        await service.delete(run.run_id, caller)
    return Response(status_code=204)


async def _accepted(
    run: TheRun, service: Service, caller: TheCaller, status: int = 202
) -> Response:
    record = await service.get(run.run_id, caller)
    return JSONResponse(dump(Accepted.of(record)), status)
