"""Runs named by the beginning of their id, as people type it."""

from typing import Final

import typer

from api.client.runs_protocol import Runs

_WHOLE: Final = 26
_PAGE: Final = 100
_PAGES: Final = 10
_SHOWN: Final = 3


async def full_id(runs: Runs, text: str) -> str:
    """The id of the one run among the newest thousand whose id begins so.

    What fits none is given back, for the runs to say that it is not there. Raises BadParameter
    where several fit, and where it is blank: each id begins so, and a variable of a shell may be
    unset.
    """
    if not text.strip():
        raise typer.BadParameter(
            "is empty; give a run's id or its first characters", param_hint="RUN"
        )
    if len(text) >= _WHOLE:
        return text
    found: list[str] = []
    cursor: str | None = None
    for _ in range(_PAGES):
        page, cursor = await runs.list(status=None, repo=None, limit=_PAGE, cursor=cursor)
        ids = [str(run.get("runId")) for run in page]
        if text in ids:
            return text
        found += [run_id for run_id in ids if run_id.startswith(text)]
        if cursor is None:
            break
    if len(found) > 1:
        more = ", …" if len(found) > _SHOWN else ""
        raise typer.BadParameter(
            f"{text!r} begins the ids of {len(found)} runs: {', '.join(found[:_SHOWN])}{more}",
            param_hint="RUN",
        )
    return found[0] if found else text
