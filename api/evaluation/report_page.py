"""A report as a page: in HTML, with neither script nor anything from elsewhere, and in Markdown."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from api.evaluation.report import GradedTask, Report
from api.terminal.text.human_units import count, duration, money
from api.terminal.text.safe_text import clean_line

_TITLE: Final = "Evaluation"
_NOTE: Final = (
    "Intervals are of 95 %: Wilson's for shares, a bootstrap over tasks for the cost. "
    "Claimed: the run's own checks passed and its review approved. "
    "Claimed but wrong: hidden tests fail all the same. "
    "Runs of a harness differ by 5 to 10 points from one to the next."
)
_FIGURES: Final = ("figure", "value", "95 % interval")
_TASKS: Final = ("task", "grade", "run", "claimed", "requests", "tokens", "cost", "time", "rounds")
_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "th,td{text-align:left;padding:.3rem .8rem;border-bottom:1px solid #8884}"
    ".wrong{background:#d334}.resolved{background:#3a34}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}}"
)


def as_html(report: Report) -> str:
    """A whole document."""
    figures = _html_table(_FIGURES, ((row, "") for row in _figure_rows(report)))
    tasks = _html_table(_TASKS, ((_cells(task), _kind(task)) for task in report.tasks))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{_TITLE}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{_TITLE}</h1>\n{figures}<p>{_NOTE}</p>\n<h2>Tasks</h2>\n{tasks}</body>\n</html>\n"
    )


def as_markdown(report: Report) -> str:
    figures = _markdown_table(_FIGURES, _figure_rows(report))
    tasks = _markdown_table(_TASKS, map(_cells, report.tasks))
    return f"# {_TITLE}\n\n{figures}\n{_NOTE}\n\n## Tasks\n\n{tasks}"


def _figure_rows(report: Report) -> list[Sequence[str]]:
    return [(figure.name, figure.value, figure.interval) for figure in report.figures]


def _cells(task: GradedTask) -> Sequence[str]:
    line = task.line
    status = f"{line.status} ({line.reason})" if line.reason else line.status
    return (
        line.instance_id,
        "not graded" if task.grade is None else task.grade.replace("_", " "),
        status,
        "yes, wrong" if task.wrong else "yes" if line.claimed else "no",
        str(line.requests),
        count(line.usage.tokens),
        money(line.cost_usd),
        duration(line.seconds),
        f"{line.fix_rounds} fix, {line.review_rounds} review",
    )


def _kind(task: GradedTask) -> str:
    return "wrong" if task.wrong else "resolved" if task.resolved else ""


def _html_table(head: Sequence[str], rows: Iterable[tuple[Sequence[str], str]]) -> str:
    lines = ["<table>", _html_row("th", head, "")]
    lines += [_html_row("td", cells, kind) for cells, kind in rows]
    return "\n".join([*lines, "</table>\n"])


def _html_row(tag: str, cells: Sequence[str], kind: str) -> str:
    named = f' class="{kind}"' if kind else ""
    inner = "".join(f"<{tag}>{escape(clean_line(cell))}</{tag}>" for cell in cells)
    return f"<tr{named}>{inner}</tr>"


def _markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(_markdown_cell, cells))} |\n" for cells in lines)


def _markdown_cell(text: str) -> str:
    """Text that is nothing but text."""
    plain = escape(clean_line(text), quote=False)
    return "".join(f"\\{sign}" if sign in "\\|`*[]" else sign for sign in plain)
