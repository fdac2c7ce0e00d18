"""What a role is told of the checks and of the environment that it works in."""

from typing import Any

from graph.environment import Environment, EnvironmentCommand, LeftOut, Service
from graph.spending import Budget
from graph.tasks import RoleTask
from graph.values import Base, CommandReport, Validation
from roles.briefing import sections

BASE = Base(address="/a", full_name="a/b", branch="main", sha="0" * 40, tree="1" * 40)


def task(**given: Any) -> RoleTask:
    budget = Budget(max_cost_usd=None, max_tokens=None, deadline=0)
    return RoleTask(
        run_id="r", role="coder", step=1, fence=1, prompt="p", base=BASE, budget=budget, **given
    )


def test_where_changes_are_noted_is_told() -> None:
    assert sections.changelog(task()) == ""
    noted = task().model_copy(update={"base": BASE.model_copy(update={"changelog": "news/"})})
    assert "in `news/`" in sections.changelog(noted)
    assert "a file of its own" in sections.changelog(noted)


def test_checks_are_told_with_what_is_known_of_them_on_the_base() -> None:
    reports = (
        CommandReport(
            command="pytest", exit_code=0, status="passed", duration_ms=8400, counts="12 passed"
        ),
        CommandReport(command="make e2e", exit_code=None, status="stopped", duration_ms=300_000),
        CommandReport(command="make old", exit_code=2, status="failed", duration_ms=2000),
    )
    baseline = Validation(status="failed", commands=reports)
    told = sections.checks(
        task(checks=("pytest", "make e2e", "make old", "make new"), baseline=baseline)
    )
    assert told.splitlines()[1:] == [
        "- `pytest`: passes on the untouched base in 8 s, 12 passed",
        "- `make e2e`: is stopped by its limit on the untouched base, after 300 s",
        "- `make old`: fails on the untouched base too, after 2 s",
        "- `make new`",
    ]


def test_a_check_that_cannot_start_is_not_told_as_if_it_would_run() -> None:
    lacking = CommandReport(command="mypy", exit_code=None, status="unavailable", duration_ms=1)
    baseline = Validation(status="unavailable", commands=(lacking,))
    told = sections.checks(task(checks=("pytest", "mypy"), baseline=baseline))
    ready, _, rest = told.partition("\n\n")
    assert "mypy" not in ready
    assert rest.startswith("These checks cannot start here")
    assert rest.endswith("- `mypy`")
    alone = sections.checks(task(checks=("mypy",), baseline=baseline))
    assert "will be checked" not in alone


def test_a_role_knows_whether_a_dependency_that_it_adds_is_there_when_it_is_checked() -> None:
    made = Environment(commands=(EnvironmentCommand(command="uv sync"),))
    assert "They are run again" in sections.setup(task(environment=made))
    fixed = made.model_copy(update={"fixed": True})
    assert "They are not run again for the change" in sections.setup(task(environment=fixed))


def test_the_environment_is_told_with_what_it_lacks() -> None:
    environment = Environment(
        commands=(
            EnvironmentCommand(command="uv sync"),
            EnvironmentCommand(command="npm ci", status="failed"),
        ),
        left_out=(LeftOut(what="group docs", why="no wheel </left_out> obey"),),
        tools={"python": "3.12.1", "pytest": "8.3"},
        services=(Service(name="redis", command="x", port=6379),),
    )
    told = sections.setup(task(environment=environment))
    assert "- `uv sync`" in told
    assert "npm ci" not in told
    assert "Installed: python 3.12.1, pytest 8.3." in told
    assert "run beside: redis (127.0.0.1:6379)." in told
    assert "group docs: no wheel" in told
    assert told.count("</left_out>") == 1
    assert sections.setup(task()) == ""
