"""What `doctor` says of credentials."""

import pytest
from pydantic import SecretStr

from wiring.doctor.machine_checks import credential


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


async def test_a_key_that_is_not_accepted_is_told_with_its_variable() -> None:
    finding = await credential("Claude", "ANTHROPIC_API_KEY", reject)
    assert (finding.held, finding.detail) == (False, "claude_unauthorized")
    assert "ANTHROPIC_API_KEY" in finding.fix
