"""`make live` against the stand-ins: its steps hold there, and tell what does not."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from benchmarks.live.__main__ import main
from benchmarks.live.claude_step import try_eval, try_requests
from benchmarks.live.github_step import REQUEST, try_run
from benchmarks.live.modal_step import has_account
from benchmarks.live.trial import Account, Trial
from roles.claude import AnthropicProvider, BedrockProvider, Claude, Provider
from tests.standins.claude import Script, says
from tests.standins.github import TOKEN
from tests.standins.messages_api.server import MessagesServer
from tests.support.command.command_process import environment
from tests.support.whole_runs.claude_script import done, shell, small_change
from tests.support.whole_runs.evaluation_tasks import EMPTY, ROUNDING
from tests.support.whole_runs.hosted_repository import GREETER
from tests.support.whole_runs.server_process import environment_of
from tests.support.whole_runs.world import World
from wiring import Settings

KEY = "sk-ant-for-tests-only-0123456789abcdef"
MODEL = "claude-opus-5-5"
SOLVE = "sed -i 's/split(. .)/split()/' names.py"


def of_anthropic(base_url: str) -> Provider:
    return AnthropicProvider(api_key=SecretStr(KEY), base_url=base_url)


def of_bedrock(base_url: str) -> Provider:
    key = SecretStr(KEY)
    return BedrockProvider(region="eu-west-1", api_key=key, base_url=base_url, probed_model=MODEL)


async def requests_tried(
    *,
    warms: bool,
    provider: Callable[[str], Provider] = of_anthropic,
    model: str = MODEL,
    asked: str = MODEL,
) -> Trial:
    trial = Trial("Claude")
    script = Script(says("Hello."), says("Hello."))
    async with MessagesServer(script, key=KEY, warms=warms) as server:
        claude = Claude(provider(server.base_url))
        await try_requests(claude, model, trial)
        await claude.close()
        requests = [*server.requests, *server.warmings]
        assert [each["model"] for each in requests] == [asked] * 3
    return trial


@pytest.mark.slow
async def test_requests_are_as_the_stand_in_takes_them() -> None:
    trial = await requests_tried(warms=True)
    assert trial.held, trial.lines()
    assert len(trial.findings) == 5
    assert 0 < trial.cost_usd < 0.1


@pytest.mark.slow
async def test_bedrock_is_asked_by_its_own_names_of_models() -> None:
    trial = await requests_tried(warms=True, provider=of_bedrock, asked=f"anthropic.{MODEL}")
    assert trial.held, trial.lines()


@pytest.mark.slow
async def test_a_model_is_asked_for_no_more_than_it_takes() -> None:
    older = "claude-haiku-4-5"
    trial = await requests_tried(warms=True, model=older, asked=older)
    assert trial.held, trial.lines()


@pytest.mark.slow
async def test_what_is_otherwise_is_told() -> None:
    trial = await requests_tried(warms=False)
    assert not trial.held
    (line,) = [line for line in trial.lines() if "not as with the stand-in" in line]
    assert "a request for no reply is taken" in line
    assert "max_tokens" in line


async def test_without_a_key_it_says_so_in_one_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = Settings.model_construct(
        **{
            name: field.get_default(call_default_factory=True)
            for name, field in Settings.model_fields.items()
        }
    )
    assert await main({}, settings) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "ANTHROPIC_API_KEY" in said.err


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    async with World.open() as world:
        yield world


def account_of(world: World) -> Account:
    folder = world.folder / "live"
    folder.mkdir(mode=0o755)
    return Account(environment(world.folder, environment_of(world)), folder)


def keyless(account: Account) -> Account:
    """The same account whose GitHub token is in the env file alone."""
    keys = account.folder / "keys.env"
    keys.write_text(f"GITHUB_TOKEN={TOKEN}\n")
    keys.chmod(0o600)
    others = {name: value for name, value in account.environment.items() if name != "GITHUB_TOKEN"}
    return replace(account, environment={**others, "CODING_AGENT_ENV_FILE": str(keys)})


@pytest.mark.slow
@pytest.mark.sandbox
async def test_the_bundled_tasks_are_run_and_graded(world: World) -> None:
    solved = {**EMPTY.script, "coder": [shell(SOLVE), done("Take blanks")]}
    for task in (ROUNDING, replace(EMPTY, script=solved)):
        world.cast.learn(task.request, task.script)
    trial = Trial("Claude")
    await try_eval(account_of(world), trial)
    assert trial.held, trial.lines()
    assert len(trial.findings) == 5
    assert trial.cost_usd > 0


@pytest.mark.slow
@pytest.mark.sandbox
async def test_a_run_opens_a_pull_request_and_closes_it(world: World) -> None:
    repo = await world.host(GREETER)
    world.cast.learn(REQUEST, small_change(coder=[shell("echo Tried. > live-trial.md"), done()]))
    trial = Trial("GitHub")
    name, api_url = repo.repository.full_name, world.forge.api_url
    await try_run(keyless(account_of(world)), name, api_url, SecretStr(TOKEN), trial)
    assert trial.held, trial.lines()
    assert [pull.state for pull in repo.pulls] == ["closed"]


def test_an_account_of_modal_is_known(tmp_path: Path) -> None:
    config = tmp_path / ".modal.toml"
    account = Account({"HOME": str(tmp_path)}, tmp_path)
    assert not has_account(account)
    config.write_text("")
    assert has_account(account)
    assert has_account(Account({"MODAL_TOKEN_ID": "ak-1"}, tmp_path))
