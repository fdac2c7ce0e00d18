"""Which of the user's settings reach a demo."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from demo.demo_settings import demo_settings, replayed
from wiring.settings import Settings

DATA = Path("/tmp/demo")
FORGE = "http://127.0.0.1:9/api/v3"


@pytest.fixture
def users() -> Settings:
    return Settings(
        anthropic_api_key=SecretStr("the-users-own-key"),
        github_token=SecretStr("the-users-own-token"),
        model="claude-haiku-4-5",
        max_cost_usd=1,
        command_memory_mb=1024,
        server="https://agents.example",
        git_author="Ann <ann@example.com>",
        data_dir=Path("/var/elsewhere"),
    )


def in_demo(users: Settings) -> Settings:
    return demo_settings(users, data_dir=DATA, github_api_url=FORGE, github_token="local")


def test_a_live_demo_has_the_users_claude_and_no_other_credential(users: Settings) -> None:
    settings = in_demo(users)
    assert settings.anthropic_api_key == users.anthropic_api_key
    assert (settings.model, settings.max_cost_usd) == ("claude-haiku-4-5", 1)
    assert settings.github_token == SecretStr("local")
    assert (settings.data_dir, settings.github_api_url) == (DATA, FORGE)
    assert (settings.server, settings.git_author) == (None, None)


def test_a_replayed_demo_has_the_machine_alone(users: Settings) -> None:
    settings = replayed(in_demo(users), "http://127.0.0.1:8")
    assert settings.anthropic_base_url == "http://127.0.0.1:8"
    assert settings.anthropic_api_key == SecretStr("replayed-claude")
    assert settings.model == Settings.model_fields["model"].default
    assert settings.max_cost_usd == Settings.model_fields["max_cost_usd"].default
    assert settings.command_memory_mb == 1024
    assert (settings.data_dir, settings.github_token) == (DATA, SecretStr("local"))
