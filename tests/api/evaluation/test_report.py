"""The page of an evaluation: its figures, and that texts of tasks are nothing but text."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from api.evaluation.grades import Grades
from api.evaluation.ledger import LedgerLine
from api.evaluation.report import Report
from api.evaluation.report_page import as_html, as_markdown
from graph.errors import InvalidRequest

HOSTILE = "<script>x</script>|`[a](b)"


def line(name: str, **fields: Any) -> LedgerLine:
    common = {"run_id": "r", "status": "succeeded", "claimed": True, "cost_usd": 0.5}
    return LedgerLine.model_validate({"instance_id": name, **common, **fields})


LINES = [
    line("right"),
    line("wrong"),
    line("modest", claimed=False, status="incomplete", reason="fix_rounds_exhausted"),
    line("empty", claimed=False, status="no_changes"),
    line("unknown"),
]
GRADES = Grades(
    resolved_ids=("right", "modest"), unresolved_ids=("wrong",), empty_patch_ids=("empty",)
)


def figures_of(report: Report) -> dict[str, tuple[str, str]]:
    return {figure.name: (figure.value, figure.interval) for figure in report.figures}


def test_shares_are_of_those_that_were_graded() -> None:
    figures = figures_of(Report(LINES, GRADES))
    assert figures["tasks run"][0] == "5"
    assert figures["of them graded"][0] == "4"
    assert figures["resolved"] == ("2 of 4 (50%)", "15% to 85%")
    assert figures["claimed but wrong"][0] == "1 of 2 (50%)"
    assert figures["resolved but not claimed"][0] == "1 of 2 (50%)"
    assert figures["cost"][0] == "$2.50"
    assert figures["cost per resolved task"][0] == "$1.00"


def test_what_is_not_known_is_said() -> None:
    figures = figures_of(Report(LINES, Grades()))
    assert figures["resolved"][0] == "0 of 0"
    assert figures["cost per resolved task"][0] == "none is resolved"
    unpriced = figures_of(Report([line("right", cost_usd=None)], GRADES))
    assert unpriced["cost per resolved task"][0] == "cost unknown"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_has_no_script_and_nothing_from_elsewhere() -> None:
    page = Tags()
    page.feed(as_html(Report([line(HOSTILE)], Grades(resolved_ids=(HOSTILE,)))))
    assert HOSTILE in page.text
    assert not page.seen & {"script", "a", "img", "link", "iframe"}


def test_markdown_has_a_row_a_task() -> None:
    text = as_markdown(Report([line(HOSTILE)], Grades()))
    (row,) = [each for each in text.splitlines() if "script" in each]
    assert row.startswith(
        "| &lt;script&gt;x&lt;/script&gt;\\|\\`\\[a\\](b) | not graded | succeeded |"
    )


def test_the_harness_reports_more_than_is_read(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text('{"total_instances": 1, "resolved_ids": ["a"], "schema_version": 2}')
    assert Grades.read(file).grade_of("a") == "resolved"
    assert Grades.read(file).grade_of("b") is None
    file.write_text("[]")
    with pytest.raises(InvalidRequest, match="no report of grades"):
        Grades.read(file)
