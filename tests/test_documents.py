"""What the pages of docs/ name is there: tests, settings, metrics, paths, other pages."""

import ast
import inspect
import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.http.metrics import Metrics
from graph import errors
from graph.machine.edges import ROUTES
from runs.model.totals.service_stats import ServiceStats
from sandbox.core.metrics import CommandMetrics
from wiring.settings import Settings

ROOT = Path(__file__).parents[1]
RELIABILITY = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
SECURITY = (ROOT / "docs/security.md").read_text(encoding="utf-8")
DATA = (ROOT / "docs/data.md").read_text(encoding="utf-8")
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted((*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")))
}
_CODE_ROW = re.compile(r"^\| `([a-z_]+)` \| (.+) \| (.+) \|$", re.MULTILINE)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_SETTING = re.compile(
    r"\b((?:CODING_AGENT|ANTHROPIC|AWS|DOCKER|GITHUB|OTEL)_[A-Z_]*)(?:\{([A-Z_,]+)\})?"
)
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


@pytest.mark.parametrize(
    ("file", "name"), sorted(set(_TEST.findall(RELIABILITY + SECURITY + DATA)))
)
def test_the_test_that_is_named_is_there(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def test_every_fault_names_a_test() -> None:
    faults = RELIABILITY.partition("## Faults")[2].partition("## Error codes")[0]
    rows = [line for line in faults.splitlines() if re.match(r"\| (?!fault|---)", line)]
    assert len(rows) > 40
    assert [row for row in rows if not re.search(r"\.py::\w+` \|$", row)] == []


@pytest.mark.parametrize("page", [SECURITY, DATA], ids=["security", "data"])
def test_every_promise_names_a_test(page: str) -> None:
    rows = [
        row
        for table in page.split("\n\n")
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


def _settings_of(text: str) -> set[str]:
    """The variables that a text names; `A_{B,C}` is two."""
    return {
        stem + end
        for stem, ends in _SETTING.findall(text)
        for end in ends.split(",")
        if not (stem + end).endswith("_")
    }


def test_every_setting_is_described_and_no_other() -> None:
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    known.add("CODING_AGENT_ENV_FILE")
    assert _settings_of(PAGES["docs/settings.md"] + OPERATIONS) == known
    assert _settings_of(RELIABILITY) <= known


def _anchors(page: str) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    headings = _HEADING.findall(_FENCED.sub("", PAGES[page]))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for link in _LINK.findall(_FENCED.sub("", PAGES[page])):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        name = str(target.resolve().relative_to(ROOT))
        assert not anchor or anchor in _anchors(name), link


def test_a_block_of_shell_is_run_or_says_why_not() -> None:
    """Those that are run are in tests/e2e/interfaces: one a page, but for the recipes."""
    names = ("environments", "github", "http", "operations", "python")
    run = {f"docs/{name}.md": 1 for name in names} | {"docs/recipes.md": 2}
    found = {page: len(re.findall(r"^```sh$", text, re.MULTILINE)) for page, text in PAGES.items()}
    assert {page: count for page, count in found.items() if count} == run


def test_the_state_machine_is_drawn_as_it_is() -> None:
    drawn = re.findall(r"^    (\w+) --> (\w+): (.+)$", PAGES["docs/architecture.md"], re.MULTILINE)
    routes = [
        (node, to, word)
        for node, words in ROUTES.items()
        for word, to in words.items()
        if word != "ended"
    ]
    assert sorted(drawn) == sorted(routes)


def test_the_index_links_every_page() -> None:
    linked = set(_LINK.findall(PAGES["docs/README.md"]))
    there = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert there - linked == set()
    assert "docs/README.md" in _LINK.findall(PAGES["README.md"])


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_path_that_is_named_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    rooms = "graph|sandbox|forge|roles|runs|api|wiring|demo|tests|benchmarks|coding_agent"
    named = set(re.findall(rf"`((?:{rooms})/[\w./-]*)`", text))
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_the_newest_version_is_the_projects() -> None:
    """Each version has a date; both fall from top to bottom."""
    titles = re.findall(r"^## (.+)$", PAGES["CHANGELOG.md"], re.MULTILINE)
    versions, dates = zip(*(title.split(" · ") for title in titles), strict=True)
    numbers = [tuple(map(int, version.split("."))) for version in versions]
    assert numbers == sorted(set(numbers), reverse=True)
    assert sorted(map(date.fromisoformat, dates), reverse=True) == [
        date.fromisoformat(each) for each in dates
    ]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert versions[0] == project["version"]


def test_a_change_is_in_one_version() -> None:
    changes = re.findall(r"^- (.{40})", PAGES["CHANGELOG.md"], re.MULTILINE)
    assert len(changes) == len(set(changes))


def test_the_projects_addresses_name_one_account() -> None:
    manifest = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (account,) = set(re.findall(r"github\.com/([\w-]+)/modal-coding-agent", manifest))
    texts = "\n".join(PAGES.values())
    named = re.findall(r"(?:github(?:usercontent)?\.com/|uses: )([\w-]+)/modal-coding-agent", texts)
    assert len(named) >= 3
    assert set(named) == {account}
