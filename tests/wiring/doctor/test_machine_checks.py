"""What `doctor` says of credentials and variables."""

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from forge.signing import SigningKey
from tests.support.signing_keys import make_ssh_key
from wiring.doctor.machine_checks import (
    credential,
    database,
    github,
    set_up_variables,
    signing,
)
from wiring.machine import LocalProbes, Machine
from wiring.run_store import RunStore
from wiring.setting_types.setup_variables import SetupVariable
from wiring.settings import Settings


async def accept() -> str:
    return "ok"


async def reject() -> str:
    return "claude_unauthorized"


@pytest.mark.parametrize(
    ("secret", "searched"),
    [(None, True), ("dummy", False), ("a-gateways-key", False), ("sk-ant-api03-0123456789", True)],
)
async def test_a_short_key_is_told_not_to_be_searched_for(
    secret: str | None, searched: bool
) -> None:
    value = SecretStr(secret) if secret else None
    finding = await credential("Claude", "ANTHROPIC_API_KEY", accept, value)
    assert finding.held
    assert ("not searched" in finding.detail) is not searched
    assert not secret or secret not in f"{finding.detail} {finding.fix}"


async def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    url = f"postgresql://me:hush-hush-hush@/runs?host={tmp_path}"
    settings = Settings(database_url=SecretStr(url), data_dir=tmp_path)
    (finding,) = await database(RunStore(settings))
    assert (finding.name, finding.held) == ("database", False)
    assert "CODING_AGENT_DATABASE_URL" in finding.fix
    assert "hush" not in f"{finding}{settings}"


async def test_a_key_that_is_not_accepted_is_told_with_its_variable() -> None:
    finding = await credential("Claude", "ANTHROPIC_API_KEY", reject)
    assert (finding.held, finding.detail) == (False, "claude_unauthorized")
    assert "ANTHROPIC_API_KEY" in finding.fix


@pytest.mark.parametrize(
    ("given", "step"),
    [
        ({"provider": "anthropic"}, "ANTHROPIC_API_KEY"),
        ({"provider": "aws"}, "ANTHROPIC_AWS_WORKSPACE_ID"),
        ({"provider": "bedrock"}, "AWS_REGION"),
        ({"provider": "bedrock", "aws_region": "eu-west-1"}, "AWS_BEARER_TOKEN_BEDROCK"),
        ({"provider": "vertex"}, ""),
    ],
)
async def test_what_a_provider_lacks_is_told(
    given: dict[str, Any], step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "ANTHROPIC_"))]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    machine = Machine(Settings(data_dir=tmp_path, **given))
    finding = await credential("Claude", "ANTHROPIC_API_KEY", LocalProbes(machine).claude)
    await machine.close()
    assert not finding.held
    assert step in finding.fix
    assert finding.fix


def test_a_variable_of_set_up_without_a_value_is_told_by_its_name() -> None:
    token = SetupVariable("octo/app", "INDEX_TOKEN", SecretStr("tok-0123456789-abcdef"))
    there, missing = set_up_variables([token, SetupVariable("octo/b", "ABSENT")])
    assert (there.held, there.name, there.detail) == (True, "set-up: INDEX_TOKEN", "for octo/app")
    assert (missing.held, missing.detail) == (False, "has no value for octo/b")
    assert "CODING_AGENT_SETUP_SECRETS" in missing.fix


def test_a_short_variable_of_set_up_is_told_not_to_be_searched_for() -> None:
    (short,) = set_up_variables([SetupVariable("octo/app", "INDEX_TOKEN", SecretStr("hunter2"))])
    assert short.held
    assert "not searched" in short.detail
    assert "hunter2" not in short.detail


async def test_a_key_that_signs_is_told_with_its_format(tmp_path: Path) -> None:
    (held,) = await signing(SigningKey(make_ssh_key(tmp_path).file))
    assert (held.held, held.detail) == (True, "commits are signed by a key of SSH")
    (lost,) = await signing(SigningKey(tmp_path / "none"))
    assert (lost.held, "CODING_AGENT_SIGNING_KEY_FILE" in lost.fix) == (False, True)
    assert await signing(None) == []


async def test_github_is_optional_where_nothing_signs_in() -> None:
    async def refuse() -> str:
        return "github_unauthorized"

    unset = await github(Settings(), refuse)
    assert (unset.held, unset.needed) == (False, False)
    assert "checkouts of this machine need none" in unset.detail
    wrong = await github(Settings(github_token=SecretStr("ghp_" + "x" * 36)), refuse)
    assert (wrong.held, wrong.needed) == (False, True)
