"""Planner, coder and fixer against a scripted Claude."""

import base64
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from graph.errors import ClaudeRejected, RoleSuperseded, SecretInChange
from graph.files import load_change
from graph.files.run_folder import RunFolder
from graph.values import (
    Base,
    CommandReport,
    Finding,
    Plan,
    Review,
    Validation,
)
from roles.claude.client import Claude
from roles.claude.provider import AnthropicProvider
from roles.coder import ClaudeCoder
from roles.fixer import ClaudeFixer
from roles.planner import ClaudePlanner
from tests.standins.claude import HttpError, ScriptedReply, Silence, answer, calls
from tests.standins.directory_sandbox import make_run
from tests.support.graph.environments import environment_of
from tests.support.roles.four_roles import (
    CODED,
    MEND,
    PLAN,
    PLANNED,
    Cast,
    changed,
    opening,
)
from tests.support.roles.role_bench import (
    FILES,
    KEY,
    RUN,
    Ears,
    Serve,
    make_task,
)


@pytest.fixture
def base(runs: Path) -> Base:
    return make_run(runs, RUN, FILES)


async def test_planner_plans(serve: Serve, cast: Cast, base: Base, ears: Ears) -> None:
    async with serve(answer(**PLANNED)) as (server, claude):
        task = make_task(base, "planner", checks=("make test",))
        result = await cast.play(ClaudePlanner, claude)(task, ears)
    assert result.plan == Plan(
        summary="Let add add.",
        route="short",
        steps=("Mend add in calc.py.",),
        files=("calc.py",),
        validate_=("python -m unittest",),
    )
    assert result.spend.turns == 1
    told = opening(server)
    for part in ("<request>\nMake add add.\n</request>", "- `make test`", "calc.py\n"):
        assert part in told
    assert [tool["name"] for tool in server.requests[0]["tools"]] == [
        "bash", "str_replace_based_edit_tool", "submit_plan", "submit_change",
    ]  # fmt: skip
    assert cast.sandboxes.discarded == ["plan"]


async def test_planner_finds_nothing_to_do(
    serve: Serve, cast: Cast, base: Base, ears: Ears
) -> None:
    nothing = {**PLANNED, "route": "none", "summary": "It adds already."}
    async with serve(calls("cat calc.py"), answer(**nothing)) as (_, claude):
        result = await cast.play(ClaudePlanner, claude)(make_task(base, "planner"), ears)
    assert (result.plan, result.reason) == (None, "It adds already.")


REFUSED = {**PLANNED, "route": "refused"}


@pytest.mark.slow
async def test_a_refusal_is_the_repository_s_own_sentence(
    serve: Serve, cast: Cast, runs: Path, ears: Ears
) -> None:
    base = make_run(runs, RUN, {**FILES, "CONTRIBUTING.md": "Nothing by LLMs, please.\n"})
    base = base.model_copy(update={"writable": False})
    invented = answer(**{**REFUSED, "summary": "They hate machines and say so."})
    quoted = answer(**{**REFUSED, "summary": "Nothing by LLMs, please."})
    async with serve(invented, quoted) as (server, claude):
        result = await cast.play(ClaudePlanner, claude)(make_task(base, "planner"), ears)
    assert (result.plan, result.reason) == (None, "")
    assert result.refusal == "CONTRIBUTING.md: \u201cNothing by LLMs, please.\u201d"
    assert "<contribution_rules>\nCONTRIBUTING.md:\n\nNothing by LLMs" in opening(server)
    assert len(server.requests) == 2


@pytest.mark.slow
async def test_with_write_nothing_is_refused(
    serve: Serve, cast: Cast, runs: Path, ears: Ears
) -> None:
    base = make_run(runs, RUN, {**FILES, "CONTRIBUTING.md": "Nothing by LLMs, please.\n"})
    quoted = answer(**{**REFUSED, "summary": "Nothing by LLMs, please."})
    async with serve(quoted, answer(**PLANNED)) as (server, claude):
        result = await cast.play(ClaudePlanner, claude)(make_task(base, "planner"), ears)
    assert result.plan
    assert "contribution_rules" not in opening(server)


async def test_planner_revises(serve: Serve, cast: Cast, base: Base, ears: Ears) -> None:
    task = make_task(base, "planner", step=2, plan=PLAN, feedback="Leave the tests.")
    async with serve(answer(**PLANNED)) as (server, claude):
        await cast.play(ClaudePlanner, claude)(task, ears)
    assert "<feedback>\nLeave the tests.\n</feedback>" in opening(server)
    assert "2. Test it." in opening(server)


async def test_planner_out_of_money_has_no_plan(
    serve: Serve, cast: Cast, base: Base, ears: Ears
) -> None:
    async with serve() as (_, claude):
        task = make_task(base, "planner", max_cost_usd=0.001)
        result = await cast.play(ClaudePlanner, claude)(task, ears)
    assert (result.plan, result.stopped) == (None, "budget")
    assert result.shortfall.endswith("; $0.0010 of $0.0010 was left.")
    assert cast.sandboxes.discarded == ["plan"]


async def test_coder_hands_its_change_over(
    serve: Serve, cast: Cast, base: Base, ears: Ears
) -> None:
    task = make_task(base, plan=PLAN, checks=("make test",))
    async with serve(calls(MEND, "echo new > test_calc.py"), answer(**CODED)) as (server, claude):
        result = await cast.play(ClaudeCoder, claude)(task, ears)
    assert result.change
    assert (result.title, result.summary) == ("Let add add", "It subtracted.")
    patch = load_change(RunFolder.of(cast.runs, RUN), result.change)
    assert b"+    return a + b" in patch
    assert b"+++ b/test_calc.py" in patch
    told = opening(server)
    for part in ("<request>", "1. Mend add in calc.py.", "Files: calc.py", "- `make test`"):
        assert part in told


async def test_coder_who_changes_nothing(serve: Serve, cast: Cast, base: Base, ears: Ears) -> None:
    async with serve(answer(**CODED)) as (_, claude):
        result = await cast.play(ClaudeCoder, claude)(make_task(base), ears)
    assert result.change is None
    assert not list(RunFolder.of(cast.runs, RUN).changes.iterdir())


@pytest.mark.parametrize(
    ("limit", "why"), [({"max_tokens": 9_000}, "tokens"), ({"seconds": 2}, "time")]
)
async def test_stopped_coder_hands_over_what_there_is(
    serve: Serve, cast: Cast, base: Base, ears: Ears, limit: dict[str, Any], why: str
) -> None:
    first = calls(MEND)
    dear = ScriptedReply(calls("true").content, output_tokens=30_000)
    async with serve(first, Silence() if why == "time" else dear) as (_, claude):
        result = await cast.play(ClaudeCoder, claude)(make_task(base, **limit), ears)
    assert result.stopped == why
    assert result.change
    assert b"+    return a + b" in load_change(RunFolder.of(cast.runs, RUN), result.change)
    assert result.title == ""


async def test_tasks_model_wins(serve: Serve, cast: Cast, base: Base, ears: Ears) -> None:
    task = make_task(base, model="claude-haiku-5-5")
    async with serve(answer(**CODED)) as (server, claude):
        await cast.play(ClaudeCoder, claude)(task, ears)
    assert server.requests[0]["model"] == "claude-haiku-5-5"


@pytest.mark.parametrize("encode", [bytes, base64.b64encode, base64.urlsafe_b64encode])
async def test_claude_key_in_a_change_is_found(
    serve: Serve, cast: Cast, base: Base, ears: Ears, encode: Any
) -> None:
    form = encode(b"=" + KEY.encode()).decode()
    async with serve(calls(f"echo 'key = {form}' > config"), answer(**CODED)) as (_, claude):
        with pytest.raises(SecretInChange) as raised:
            await cast.play(ClaudeCoder, claude)(make_task(base), ears)
    assert KEY not in str(raised.value)
    assert not list(RunFolder.of(cast.runs, RUN).changes.iterdir())


async def test_superseded_coder_keeps_its_hands_off(
    serve: Serve, cast: Cast, base: Base, ears: Ears
) -> None:
    (RunFolder.of(cast.runs, RUN).root / "fence").write_text("2")
    async with serve(answer(**CODED)) as (_, claude):
        with pytest.raises(RoleSuperseded):
            await cast.play(ClaudeCoder, claude)(make_task(base), ears)


async def test_failed_coder_goes_on_in_its_tree(
    serve: Serve, cast: Cast, base: Base, ears: Ears
) -> None:
    refused = HttpError(400, "invalid_request_error")
    async with serve(calls(MEND), refused, answer(**CODED)) as (server, claude):
        with pytest.raises(ClaudeRejected):
            await cast.play(ClaudeCoder, claude)(make_task(base), ears)
        result = await cast.play(ClaudeCoder, claude)(make_task(base, fence=2), ears)
    assert result.change
    assert result.spend.turns == 2
    assert len(server.requests) == 3


async def test_fixer_sees_failures_and_findings(
    serve: Serve, cast: Cast, base: Base, ears: Ears
) -> None:
    failed = CommandReport(
        command="make test", exit_code=2, status="failed", duration_ms=5, output="FAIL: test_add"
    )
    passed = CommandReport(command="make lint", exit_code=0, status="passed", duration_ms=5)
    task = make_task(
        base,
        "fixer",
        step=3,
        plan=PLAN,
        environment=environment_of(("true",)),
        change=changed(cast.runs),
        validation=Validation(
            status="failed",
            commands=(failed, passed),
            new_failures=("tests.test_add",),
            known_failures=("tests.test_old",),
        ),
        review=Review(
            verdict="request_changes",
            findings=(Finding(severity="error", path="calc.py", line=2, message="It multiplies."),),
        ),
    )
    mended = {"title": "Add, not multiply", "summary": "It multiplied."}
    async with serve(calls("sed -i 's/[*]/+/' calc.py"), answer(**mended)) as (server, claude):
        result = await cast.play(ClaudeFixer, claude)(task, ears)
    told = opening(server)
    for part in (
        "`make test` failed with exit code 2.", "FAIL: test_add", "tests.test_add",
        "tests.test_old", "error calc.py:2: It multiplies.", "+    return a * b", "<request>",
        "dependency that you add is not in this tree", "- `true`",
    ):  # fmt: skip
        assert part in told
    assert "make lint` failed" not in told
    assert cast.sandboxes.opened[0].name == "live"
    assert result.change
    assert result.change.step == 3
    assert b"+    return a + b" in load_change(RunFolder.of(cast.runs, RUN), result.change)


async def test_fixer_knows_what_was_tried(serve: Serve, cast: Cast, base: Base, ears: Ears) -> None:
    change = changed(cast.runs)
    tried = [
        {"title": "Add, not multiply", "summary": "It\nmultiplied."},
        {"title": "Import math", "summary": "x" * 900},
    ]
    fix = [calls("echo 1 >> a"), answer(**tried[0]), calls("echo 2 >> a"), answer(**tried[1])]
    async with serve(*fix, answer(**CODED)) as (server, claude):
        for step, model in ((3, None), (5, None), (6, "claude-sonnet-5-5")):
            task = make_task(base, "fixer", step=step, change=change, model=model)
            await cast.play(ClaudeFixer, claude)(task, ears)
    again = server.requests[2]["messages"][-1]["content"][-1]["text"]
    assert "the fix before did not suffice" in again
    assert "earlier_fixes" not in opening(server)
    told = opening(server, 4)
    assert "<earlier_fixes>\n- Add, not multiply: It multiplied.\n- Import math: xxx" in told
    assert "x" * 400 not in told


async def test_earlier_fix_that_was_broken_off_is_left_out(
    serve: Serve, cast: Cast, base: Base, ears: Ears
) -> None:
    change = changed(cast.runs)
    refused = HttpError(400, "invalid_request_error")
    async with serve(calls("ls"), refused, answer(**CODED)) as (server, claude):
        with pytest.raises(ClaudeRejected):
            await cast.play(ClaudeFixer, claude)(make_task(base, "fixer", change=change), ears)
        folder = RunFolder.of(cast.runs, RUN).transcript(2, "fixer")
        folder.mkdir()
        (folder / "0001.json").write_text("{")
        task = make_task(base, "fixer", step=4, change=change)
        await cast.play(ClaudeFixer, claude)(task, ears)
    assert "earlier_fixes" not in opening(server, 2)


async def test_no_key_is_told_before_anything(cast: Cast, base: Base, ears: Ears) -> None:
    claude = Claude(AnthropicProvider(api_key=SecretStr("")))
    with pytest.raises(Exception, match="no key"):
        await cast.play(ClaudePlanner, claude)(make_task(base, "planner"), ears)
    assert cast.sandboxes.discarded == ["plan"]
