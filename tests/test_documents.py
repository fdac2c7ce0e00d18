"""What docs/reliability.md, docs/operations.md and docs/security.md name is there."""

import ast
import inspect
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.http.metrics import Metrics
from graph import errors
from runs.model.service_stats import ServiceStats
from sandbox.core.metrics import CommandMetrics
from wiring.settings import Settings

ROOT = Path(__file__).parents[1]
RELIABILITY = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
SECURITY = (ROOT / "docs/security.md").read_text(encoding="utf-8")
_CODE_ROW = re.compile(r"^\| `([a-z_]+)` \| (.+) \| (.+) \|$", re.MULTILINE)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_HTTP_CODE = re.compile(r'(?:problem|Refused)\(\s*\d{3},\s*"([a-z_]+)"')
CODES = {code: (meaning, mend) for code, meaning, mend in _CODE_ROW.findall(RELIABILITY)}


def test_every_error_code_is_explained() -> None:
    kinds = [
        kind
        for kind in (getattr(errors, name) for name in dir(errors))
        if inspect.isclass(kind) and issubclass(kind, errors.CodingAgentError)
    ]
    http = {
        code
        for path in (ROOT / "api").rglob("*.py")
        for code in _HTTP_CODE.findall(path.read_text(encoding="utf-8"))
    }
    missing = ({kind.code for kind in kinds} | http) - set(CODES)
    assert not missing
    assert all(meaning.strip() and mend.strip() for meaning, mend in CODES.values())


@pytest.mark.parametrize(("file", "name"), sorted(set(_TEST.findall(RELIABILITY + SECURITY))))
def test_the_test_that_is_named_is_there(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def test_every_fault_names_a_test() -> None:
    faults = RELIABILITY.partition("## Faults")[2].partition("## Error codes")[0]
    rows = [line for line in faults.splitlines() if re.match(r"\| (?!fault|---)", line)]
    assert len(rows) > 40
    assert [row for row in rows if not re.search(r"\.py::\w+` \|$", row)] == []


def test_every_promise_names_a_test() -> None:
    promises = SECURITY.partition("## Sandbox")[2].partition("## What is not promised")[0]
    tables = promises.split("\n\n")
    rows = [
        row
        for table in tables
        if table.startswith("| promise | test |")
        for row in table.splitlines()[2:]
    ]
    assert len(rows) > 20
    assert [row for row in rows if not re.search(r"\.py::\w+` \|$", row)] == []


def test_metrics_are_named_as_they_are() -> None:
    metrics = Metrics(version="1", sandboxes=lambda: CommandMetrics(started=1))
    text = metrics.render(ServiceStats({}, 0, 0, 1, 0)).decode()
    families = {family.name for family in text_string_to_metric_families(text)}
    named = re.findall(r"`(coding_agent_[a-z_]+)", OPERATIONS)
    assert len(named) > 15
    assert {name.removesuffix("_total") for name in named} <= families


def test_settings_are_named_as_they_are() -> None:
    fields = {name.upper() for name in Settings.model_fields}
    known = fields | {f"CODING_AGENT_{name}" for name in fields}
    named = set(re.findall(r"\b(?:CODING_AGENT|OTEL)_[A-Z_]+[A-Z]\b", OPERATIONS + RELIABILITY))
    assert named - known == set()


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_path_that_is_named_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    rooms = "graph|sandbox|forge|roles|runs|api|wiring|demo|tests|benchmarks|coding_agent"
    named = set(re.findall(rf"`((?:{rooms})/[\w./-]*)`", text))
    assert {path for path in named if not (ROOT / path).exists()} == set()
