"""Every ecosystem has every part, and each part does its work where it is used."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import pytest

from sandbox.changes.parse_diff import file_diffs
from sandbox.changes.tamper_patterns import hints
from sandbox.checks.restore_base_tests import touches_base_tests
from sandbox.discovery.find_checks import find_checks
from sandbox.discovery.find_setup import plan_setup
from sandbox.ecosystems.base import Ecosystem
from sandbox.ecosystems.registry import ECOSYSTEMS, MANIFESTS, may_run_tests
from sandbox.ecosystems.test_files import is_test
from sandbox.reports.read_report import read_report
from sandbox.setup.invalidation import needs_own
from tests.support.graph.environments import environment_of
from tests.support.sandbox.listed_files import listed

OUTPUTS = Path(__file__).parents[1] / "reports" / "outputs"
NO_LAYOUT = {"layout", "marks"}
NO_SETUP = {"locks", "plan", "installs_only", "install_reads", "install_scripts"}
NO_PROBE = {"probe", "not_installed"}
NO_LACK = {"lacking"}
NO_EXCERPT = {"counts", "noise", "failures_begin", "lists_failed", "cut_short", "idle"}
NO_SELECTION = {"select", "tell", "told", "unloaded"}
NO_INNER = {"tests_in_source", "tests_of_source"}
NO_CODE = {"sources", "definition", "test_line", "test_definition", *NO_INNER}
WITHOUT: Mapping[str, set[str]] = {
    "python": {"recipe", "not_installed", "install_scripts", "mixed_config"},
    "javascript": {*NO_SELECTION, "recipe", "not_installed", "mixed_config", "shadows"},
    "deno": {
        *NO_LACK,
        *(NO_EXCERPT - {"counts"}),
        *NO_SELECTION,
        "read",
        "seen",
        "recipe",
        "install_scripts",
        "mixed_config",
        "shadows",
        *NO_INNER,
    }
    | NO_LAYOUT
    | NO_PROBE,
    "rust": {
        "lists_failed",
        "idle",
        "read",
        "recipe",
        "not_installed",
        "install_scripts",
        "shadows",
        *NO_LAYOUT,
    },
    "go": {
        "lists_failed",
        "counts",
        "read",
        "recipe",
        "install_scripts",
        "shadows",
        *NO_LAYOUT,
        *NO_PROBE,
        *NO_INNER,
    },
    "jvm": {
        "lists_failed",
        *NO_SELECTION,
        "read",
        "lints",
        "lint_calls",
        "recipe",
        "shadows",
        *NO_LAYOUT,
        "install_scripts",
        *NO_PROBE,
        *NO_INNER,
        "definition",
    },
    "ruby": {
        "cut_short",
        *NO_SELECTION,
        "read",
        "recipe",
        "probe",
        "install_scripts",
        "mixed_config",
        "shadows",
        *NO_LAYOUT,
        *NO_INNER,
    },
    "make": {
        *NO_LACK,
        *NO_EXCERPT,
        *NO_CODE,
        *NO_SELECTION,
        "read",
        "seen",
        "reports",
        "test_files",
        "mixed_config",
        "shadows",
    }
    | {"assertion", "skip", "suppression", "runner_access"}
    | NO_LAYOUT
    | (NO_SETUP - {"plan"})
    | NO_PROBE,
    "any language": {
        "versions",
        *NO_EXCERPT,
        *NO_CODE,
        *NO_SELECTION,
        "manifests",
        "tests",
        "lints",
        "recipe",
        "lint_calls",
        "reports",
    }
    | {"shadows", "skip", "runner_access"}
    | (NO_LAYOUT - {"marks"})
    | NO_SETUP
    | NO_PROBE,
}
"""What an ecosystem has not, on purpose."""
EMPTY = Ecosystem("")
INTERPRETED = ("python", "javascript", "deno", "ruby")


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS, ids=lambda each: each.name)
def test_every_part_is_there(ecosystem: Ecosystem) -> None:
    missing = {
        part.name
        for part in fields(Ecosystem)
        if getattr(ecosystem, part.name) == getattr(EMPTY, part.name)
    }
    places = set() if ecosystem.name == "any language" else {"test_like", "test_folders"}
    places |= set() if ecosystem.name in ("javascript", "deno") else {"is_served"}
    places |= (
        set() if ecosystem.name == "rust" else {"tests_of_source", "tells_too_little", "runs_one"}
    )
    places |= set() if ecosystem.name in INTERPRETED else {"names_of"}
    places |= set() if ecosystem.name in ("python", "javascript") else {"stops_at_first"}
    places |= {"ends_first"} if ecosystem.name in ("make", "any language") else set()
    assert missing == WITHOUT[ecosystem.name] | places


@dataclass(frozen=True)
class Sample:
    """A small repository of one ecosystem, and what is known of it."""

    files: Mapping[str, str]
    tests: tuple[str, ...]
    reports: tuple[str, ...]
    """Names of outputs in which tests ran and some failed."""
    nothing_ran: str
    """What the runner says where there was nothing to run."""
    test_file: str
    definition: tuple[str, str]
    """A line of a test file, and the name of the test that it defines."""
    skip: str
    suppression: str
    access: str
    config: str
    """A file that is as in the base where a change is judged again."""
    lints: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    read_by_setup: tuple[str, ...] = ()
    unread_by_setup: str = "README.md"
    marked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


VENV = "/home/agent/venvs/root"
SYNC = f"UV_PROJECT_ENVIRONMENT={VENV} UV_PYTHON={VENV} uv sync"
YARN = (
    'r="$(npm config get registry)" && r="${r%/}" && sed -i -E'
    r' "s#https://registry\.(yarnpkg\.com|npmjs\.org)/#$r/#" yarn.lock'
    ' && YARN_REGISTRY="$r/" YARN_NPM_REGISTRY_SERVER="$r"'
)
RUNNER = f'{VENV}/bin/python -c "import {{0}}" || uv pip install --python {VENV} {{0}}'
SAMPLES = {
    "python": Sample(
        files={"pyproject.toml": "[tool.ruff]\n", "uv.lock": "", "src/app/__init__.py": ""},
        tests=("PYTHONPATH=src python3 -m pytest -q",),
        lints=("python3 -m ruff check .",),
        setup=(
            "uv venv --quiet --seed --clear --python python3 /home/agent/venvs/root",
            f"{SYNC} --frozen --inexact --all-packages --all-extras",
            RUNNER.format("ruff"),
        ),
        read_by_setup=("uv.lock", "pyproject.toml", "requirements/dev-requirements.in"),
        marked={"pytest": ("tests/test_a.py",)},
        reports=("pytest", "unittest"),
        nothing_ran="no tests ran in 0.01s\n\nRan 0 tests in 0.000s\n",
        test_file="app/test_sum.py",
        definition=("    async def test_adds(self):", "test_adds"),
        skip="@pytest.mark.skip",
        suppression="x = 1  # type: ignore",
        access="os._exit(0)",
        config="conftest.py",
    ),
    "javascript": Sample(
        files={"package.json": '{"scripts": {"test": "jest", "lint": "x"}}', "yarn.lock": ""},
        tests=("CI=true yarn test",),
        lints=("yarn run lint",),
        setup=(
            "npm install --global --prefix /home/agent/.local yarn@1 --allow-scripts=yarn",
            f"{YARN} yarn install --non-interactive --frozen-lockfile",
        ),
        read_by_setup=("yarn.lock", "web/package.json", ".npmrc"),
        reports=("jest", "vitest", "mocha", "mocha_tap", "node_spec", "node_tap"),
        nothing_ran="Test Suites: 1 failed, 1 total\nTests:       0 total\n",
        test_file="web/sum.spec.tsx",
        definition=("  it('adds two', async () => {", "adds two"),
        skip="  it.skip('adds', () => {",
        suppression="// eslint-disable-next-line no-console",
        access="process.exit(0)",
        config="web/jest.config.js",
    ),
    "deno": Sample(
        files={"deno.jsonc": '{\n  "lint": {} // all\n}\n', "deno.lock": "{}"},
        tests=("deno test --allow-all",),
        lints=("deno lint",),
        setup=("deno install --frozen",),
        read_by_setup=("deno.lock", "deno.json"),
        reports=("deno",),
        nothing_ran="error: No test modules found\n\nok | 0 passed | 0 failed (2ms)\n",
        test_file="src/sum_test.ts",
        definition=('Deno.test("adds", () => {', "adds"),
        skip='Deno.test.ignore("adds", () => {});',
        suppression="// deno-lint-ignore no-explicit-any",
        access="Deno.exit(0)",
        config="deno.json",
    ),
    "rust": Sample(
        files={"Cargo.toml": "[lints]\n", "Cargo.lock": "", "rustfmt.toml": ""},
        tests=("cargo test --no-fail-fast",),
        lints=("cargo clippy --all-targets", "cargo fmt --all --check"),
        setup=("cargo fetch --locked",),
        read_by_setup=("Cargo.lock", "crates/a/Cargo.toml", ".cargo/config.toml"),
        reports=("cargo", "cargo_nextest"),
        nothing_ran="running 0 tests\n\ntest result: ok. 0 passed; 0 failed\n",
        test_file="tests/whole.rs",
        definition=("    fn adds() {", "adds"),
        skip="    #[ignore]",
        suppression="#[allow(dead_code)]",
        access="std::process::exit(0)",
        config=".cargo/config.toml",
    ),
    "go": Sample(
        files={"go.mod": "module a\n", "go.sum": "", ".golangci.yml": ""},
        tests=("go test ./...",),
        lints=("golangci-lint run",),
        setup=("go mod download",),
        read_by_setup=("go.sum", "go.work"),
        reports=("go_test",),
        nothing_ran="?   \texample.com/a\t[no test files]\n",
        test_file="sum_test.go",
        definition=("func TestAdd(t *testing.T) {", "TestAdd"),
        skip='	t.Skip("later")',
        suppression="x := 1 //nolint:errcheck",
        access="os.Exit(0)",
        config=".golangci.yml",
    ),
    "jvm": Sample(
        files={"pom.xml": "<project/>", "mvnw": "", "app/build.gradle.kts": ""},
        tests=("./mvnw -B -fae test", "cd app && gradle test --continue"),
        setup=(
            "./mvnw -B -ntp -q -fae -DskipTests test",
            (
                "mkdir -p /tmp/none/bin && ln -sf /bin/true /tmp/none/bin/java && "
                "./mvnw -B -ntp -q -fn -Djvm=/tmp/none/bin/java test && "
                "git clean -ffdxq -- ':(glob)**/target/**' ':(exclude,glob)**/node_modules/**'"
            ),
            (
                'cd app && echo \'allprojects { tasks.register("fetchForTests") { doLast { '
                "configurations.findAll { it.canBeResolved && it.name ==~ /(?i).*test.*classpath/ }"
                ".each { it.files } } } }' > /tmp/fetch.gradle && gradle --no-daemon "
                "--console=plain -q -I /tmp/fetch.gradle -Dorg.gradle.configuration-cache=false "
                "testClasses fetchForTests"
            ),
        ),
        read_by_setup=("core/pom.xml", ".mvn/maven.config", "gradle/libs.versions.toml"),
        reports=("surefire", "surefire_old", "gradle"),
        nothing_ran="[INFO] Tests run: 0, Failures: 0, Errors: 0\n> Task :test FAILED\n",
        test_file="src/test/java/demo/Sums.java",
        definition=("  fun `adds two numbers`() {", "adds two numbers"),
        skip="  @Disabled",
        suppression='@SuppressWarnings("unchecked")',
        access="System.exit(0);",
        config="mvnw",
    ),
    "ruby": Sample(
        files={"Gemfile": "gem 'rspec'\n", "Gemfile.lock": "", ".rubocop.yml": ""},
        tests=("bundle exec rspec",),
        lints=("bundle exec rubocop",),
        setup=("bundle config set --global path /home/agent/.bundle/gems && bundle install",),
        read_by_setup=("Gemfile.lock", "sum.gemspec"),
        reports=("rspec", "minitest", "rails", "test_unit"),
        nothing_ran="0 examples, 0 failures\n0 runs, 0 assertions\n0 tests, 0 assertions\n",
        test_file="lib/sum_spec.rb",
        definition=("  def test_adds", "test_adds"),
        skip="  xit 'adds' do",
        suppression="x = 1 # rubocop:disable Lint/Useless",
        access="exit!(0)",
        config="Rakefile",
    ),
}
PACKAGES = {name: sample for name, sample in SAMPLES.items() if sample.setup}


def added(path: str, *lines: str) -> str:
    body = "".join(f"+{line}\n" for line in lines)
    return (
        f"diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n"
        f"@@ -0,0 +1,{len(lines)} @@\n{body}"
    )


def patch(path: str) -> bytes:
    return f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n".encode()


def test_every_language_has_a_sample() -> None:
    languages = {each.name for each in ECOSYSTEMS if each.reports}
    assert languages == SAMPLES.keys()


@pytest.mark.parametrize("name", SAMPLES)
def test_checks_are_found_in_what_is_read(name: str) -> None:
    sample = SAMPLES[name]
    repository = listed(sample.files, sample.marked)
    checks = find_checks(repository)
    assert tuple(each.shell for each in checks if each.kind == "test") == sample.tests
    assert tuple(each.shell for each in checks if each.kind == "lint") == sample.lints
    assert all(may_run_tests(each.command) == (each.kind == "test") for each in checks)
    assert len(repository.projects(MANIFESTS)) == 1 + any("/build" in each for each in sample.files)


@pytest.mark.parametrize("name", PACKAGES)
def test_installing_reads_what_it_names_and_nothing_else(name: str) -> None:
    sample = SAMPLES[name]
    environment = plan_setup(listed(sample.files)).environment
    assert tuple(each.shell for each in environment.commands) == sample.setup
    assert not needs_own(environment, patch(sample.unread_by_setup) + patch(sample.test_file))
    assert all(needs_own(environment, patch(path)) for path in sample.read_by_setup)
    assert needs_own(environment_of([*environment.setup, "make"]), b"")


@pytest.mark.parametrize("name", SAMPLES)
def test_reports_tell_what_failed_and_whether_anything_ran(name: str) -> None:
    (ecosystem,) = (each for each in ECOSYSTEMS if each.name == name)
    read: set[str] = set()
    for output in SAMPLES[name].reports:
        text = (OUTPUTS / f"{output}.txt").read_text(encoding="utf-8")
        lines = [line.rstrip() for line in text.split("\n")]
        readers = [each for each in ecosystem.reports if each.ran(lines)]
        read |= {each.runner for each in readers if list(each.failed(lines))}
    assert read == {each.runner for each in ecosystem.reports}
    nothing = read_report(SAMPLES[name].nothing_ran)
    assert (nothing.ran, nothing.failed) == (False, frozenset())


@pytest.mark.parametrize("name", SAMPLES)
def test_what_weakens_tests_is_seen(name: str) -> None:
    sample = SAMPLES[name]
    assert is_test(sample.test_file)
    (finding,) = hints(file_diffs(added("src/x.c", sample.skip)))
    assert finding.rule == "test_skipped"
    (finding,) = hints(file_diffs(added("src/x.c", sample.suppression)))
    assert finding.rule == "check_silenced"
    (finding,) = hints(file_diffs(added("src/x.c", sample.access)))
    assert finding.rule == "runner_reached"
    line, test = sample.definition
    removed = added(sample.test_file, line).replace(f"+{line}", f"-{line}").replace("new file", "x")
    assert f"a test is removed or renamed: {test}" in {
        hint.message for hint in hints(file_diffs(removed))
    }


@pytest.mark.parametrize("name", SAMPLES)
def test_configuration_of_checks_is_restored(name: str) -> None:
    assert touches_base_tests(file_diffs(added(SAMPLES[name].config)), ())


@pytest.mark.parametrize(
    ("command", "runs"),
    [
        ("ruff check .", False),
        ("python3 -m ruff check tests", False),
        ("A=1 uv run mypy tests", False),
        (".venv/bin/flake8 tests", False),
        ("npx --no-install eslint test", False),
        ("npm run lint:tests", False),
        ("bundle exec rubocop spec", False),
        ("cargo fmt --all --check", False),
        ("deno check test.ts", False),
        ("go vet ./test", False),
        ("make lint", False),
        ("true", False),
        ("ruff check . && python3 -m pytest", True),
        ("ruffle check", True),
        ("make check", True),
        ("sh ci/verify.sh", True),
        ("tox", True),
        ("bundle exec rake", True),
        ("pytest --ruff", True),
        ("npm test", True),
    ],
)
def test_a_linter_is_no_test_command(command: str, runs: bool) -> None:
    assert may_run_tests(command) is runs


def test_long_commands_take_no_long_time() -> None:
    for text in ("a/" * 2000, "A=1 " * 1000, "npx " + "-a " * 1300, "uv run " * 500):
        assert not may_run_tests(text)
