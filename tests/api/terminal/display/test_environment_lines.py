"""What was made ready, how checks end on the base, and what a change's tests show, in lines."""

from api.terminal.display.environment_lines import baseline_lines, environment_lines, proof_lines
from api.terminal.text.untrusted_fields import Fields
from graph.environment import Environment, EnvironmentCommand, LeftOut, Service
from graph.events import BaselineFinished, EnvironmentReady, ProofFinished
from graph.values import CommandReport, ProofTest, TestStatus

READY = Environment(
    commands=(
        EnvironmentCommand(command="uv sync --frozen", duration_ms=4200),
        EnvironmentCommand(
            command="npm ci", folder="web", status="failed", duration_ms=900, output="E404\nlost"
        ),
    ),
    left_out=(LeftOut(what="group docs", why="no wheel for cairo"),),
    tools={"python": "3.12.1", "pytest": "8.3"},
)


def lines_of(environment: Environment) -> list[tuple[str, str]]:
    event = EnvironmentReady.model_validate(environment.model_dump())
    return [(line.text, line.right) for line in environment_lines(Fields(event.data()))]


def test_what_was_made_and_what_was_left_out_is_told_with_its_last_lines() -> None:
    assert lines_of(READY) == [
        ("ready  python 3.12.1  pytest 8.3", "5.1 s"),
        ("$ uv sync --frozen", "4.2 s"),
        ("web$ npm ci", "failed"),
        ("E404", ""),
        ("lost", ""),
        ("left out  group docs: no wheel for cairo", ""),
    ]


def test_an_environment_that_was_kept_says_so_and_whose_model_found_it() -> None:
    kept = READY.model_copy(update={"kept": True, "maker": "r1", "left_out": (), "commands": ()})
    assert lines_of(kept) == [
        ("ready  python 3.12.1  pytest 8.3", "kept from before"),
        ("found by the model in run r1", ""),
    ]


def test_parts_with_the_same_reason_are_told_together_with_its_last_lines() -> None:
    reason = (
        "File {}, line 3\n    open(url)\n    ^^^^^^^^^\nraise\nURLError:\nrefused\n\nhint: look\n"
    )
    parts = (
        *(LeftOut(what=f"extra {name}", why=reason.format(name)) for name in "ab"),
        LeftOut(what="group docs", why="no wheel"),
    )
    assert lines_of(Environment(left_out=parts))[1:] == [
        ("left out  extra a, extra b: raise URLError: refused hint: look", ""),
        ("left out  group docs: no wheel", ""),
    ]


def test_of_commands_whose_time_is_not_known_none_is_told() -> None:
    own = Environment(commands=(EnvironmentCommand(command="make", source="repository"),))
    assert lines_of(own) == [("ready", ""), ("$ make", "")]


def test_services_are_told_with_their_ports() -> None:
    services = (Service(name="postgres", command="secret words", port=5432),)
    assert lines_of(Environment(services=services))[1:] == [("beside it  postgres on 5432", "")]


def test_a_base_that_needs_nothing() -> None:
    assert lines_of(Environment()) == [("nothing to set up", "")]


def test_each_check_on_the_base_is_a_line() -> None:
    reports = (
        CommandReport(
            command="pytest", exit_code=0, status="passed", duration_ms=8000, counts="12 passed"
        ),
        CommandReport(
            command="mypy", exit_code=None, status="unavailable", duration_ms=3, output="no\nmypy\n"
        ),
        CommandReport(
            command="npm test", folder="web", exit_code=1, status="failed", duration_ms=1000
        ),
        CommandReport(
            command="pytest",
            folder="b",
            exit_code=1,
            status="failed",
            duration_ms=1000,
            output="E\n",
            counts="1 failed",
        ),
        CommandReport(command="make slow", exit_code=None, status="stopped", duration_ms=300_000),
    )
    event = BaselineFinished(status="failed", commands=reports, new_failures=(), known_failures=())
    lines = baseline_lines(Fields(event.data()))
    assert [(line.text, line.mark, line.right) for line in lines] == [
        ("$ pytest", "good", "passes on the base · 12 passed · 8.0 s"),
        ("$ mypy", "warn", "cannot run here · 0.0 s"),
        ("mypy", "", ""),
        ("web$ npm test", "warn", "fails on the base · 1.0 s"),
        ("b$ pytest", "warn", "fails on the base · 1 failed · 1.0 s"),
        ("$ make slow", "warn", "stopped on the base · 5m 00s"),
    ]
    assert [line.text for line in baseline_lines(Fields({}))] == ["no check was found"]


def test_the_proof_names_the_tests_that_show_the_change() -> None:
    def test(name: str, without: TestStatus) -> ProofTest:
        return ProofTest(id=name, without_change=without, with_change="passed")

    tests = (test("test_a", "failed"), test("test_b", "passed"), test("test_c", "not_importable"))
    event = ProofFinished(tests=tests, shown=True)
    shown = proof_lines(Fields(event.data()))
    assert [line.text for line in shown] == ["test_a fails without this change, passes with it"]


def test_a_proof_that_shows_nothing_says_what_was_tried() -> None:
    def said(*tests: ProofTest, not_tried: tuple[str, ...] = ()) -> list[str]:
        event = ProofFinished(tests=tests, shown=False, not_tried=not_tried)
        return [line.text for line in proof_lines(Fields(event.data()))]

    idle = ProofTest(id="test_b", without_change="passed", with_change="passed")
    unloaded = ProofTest(id="test_c", without_change="not_importable", with_change="passed")
    nothing, untried = "no test shows this change", "not tried without this change: the tests in a"
    assert said() == said(idle) == [nothing]
    assert said(unloaded) == [nothing, "cannot be imported without this change: test_c"]
    assert said(not_tried=("a",)) == [untried]
    assert said(idle, not_tried=("a", "b")) == [nothing, f"{untried}, b"]
