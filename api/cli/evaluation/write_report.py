"""The page of an evaluation, beside it in Markdown."""

from pathlib import Path

from api.cli.evaluation.grade_predictions import GRADES
from api.evaluation import Grades, Report, Results, as_html, as_markdown, beside
from api.terminal.display.print_lines import print_lines
from api.terminal.text.safe_text import clean_line
from api.terminal.text.styled_line import Line


def write_report(predictions: Path, grades: Path | None, file: Path) -> None:
    """Write `file` with the endings `.html` and `.md`. Raises InvalidRequest, OSError."""
    own = beside(predictions, GRADES)
    found = Grades.read(grades or own) if grades or own.exists() else Grades()
    report = Report(Results.read(predictions).lines.values(), found)
    pages = {
        file.with_suffix(".html"): as_html(report),
        file.with_suffix(".md"): as_markdown(report),
    }
    for page, text in pages.items():
        page.write_text(text, encoding="utf-8")
    rows = [
        Line(figure.name, right=f"{figure.value}  {figure.interval}".rstrip())
        for figure in report.figures
    ]
    print_lines([*rows, *(Line(clean_line(str(page)), indent=2) for page in pages)])
