"""What runs cost and came to: one table by week and repository."""

import asyncio
import csv
import io
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from api.http.options import AppOptions
from api.http.routes.dependencies import Options, Service, TheCaller, query
from api.http.routes.openapi import problems
from api.http.routes.response_models import FiguresView, dump
from runs import Figures

router = APIRouter()

_CSV: Final = "text/csv"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": FiguresView, "content": {_CSV: {"schema": {"type": "string"}}}},
    **problems(422),
}


@router.get(
    "/figures",
    tags=["runs"],
    summary="Show what runs came to",
    dependencies=[query("weeks", "format")],
    responses=_ANSWERS,
    response_class=Response,
)
async def show_figures(
    service: Service,
    caller: TheCaller,
    options: Options,
    weeks: Annotated[int, Query(ge=1, le=53, description="So many, this one included.")] = 12,
    format: Annotated[  # noqa: A002 - as callers write it
        Literal["json", "csv"], Query(description="How the table is written.")
    ] = "json",
) -> Response:
    """One row a week and repository, of the runs that the caller may read.

    Which pull requests are merged is looked up or told by deliveries; null where it is not known.
    """
    figures, since = await service.figures(caller, weeks)
    rows = await _with_merged(figures, since, options)
    if format == "csv":
        headers = {"Content-Disposition": 'attachment; filename="figures.csv"'}
        return Response(_csv(rows), media_type=_CSV, headers=headers)
    return JSONResponse(dump(FiguresView.model_validate({"rows": rows})))


async def _with_merged(
    figures: Sequence[Figures], since: float, options: AppOptions
) -> list[dict[str, Any]]:
    urls = {each.repo: each.repo_url for each in figures if each.pulls}
    found = await asyncio.gather(*(options.merged_pulls(url, since) for url in urls.values()))
    merged = dict(zip(urls, found, strict=True))
    return [_row(each, merged.get(each.repo, frozenset())) for each in figures]


def _row(figures: Figures, merged: frozenset[int] | None) -> dict[str, Any]:
    count = None if merged is None else len(figures.pulls & merged)
    return {
        "week": figures.week,
        "repo": figures.repo,
        "runs": figures.runs,
        "pullRequests": len(figures.pulls),
        "merged": count,
        "costUsd": figures.cost_usd,
        "unpriced": figures.unpriced,
        "costPerMergedUsd": round(figures.cost_usd / count, 8) if count else None,
        "secondsToPullRequest": figures.seconds_to_pull,
        "drafts": figures.drafts,
    }


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    """One line a row; the reasons of drafts are one cell."""
    names = FiguresView.columns()
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(names)
    for row in rows:
        drafts = " ".join(f"{reason}:{count}" for reason, count in row["drafts"].items())
        cells = {**row, "drafts": drafts}
        writer.writerow(["" if cells[name] is None else _cell(cells[name]) for name in names])
    return out.getvalue()


def _cell(value: object) -> object:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
