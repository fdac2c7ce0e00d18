"""What GitHub keeps elsewhere, where no client can be made of the environment."""

import pytest

from forge.github.attachments import fetch_attachment
from graph.errors import ForgeUnavailable
from tests.support.trusted_side import TrustedSide


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ALL_PROXY", "socks5://127.0.0.1:9"), ("SSL_CERT_FILE", "/there/is/no/such.pem")],
)
async def test_a_variable_that_no_client_can_be_made_of_is_named(
    side: TrustedSide, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    side.hosted.logs[5] = "It fails.\n"
    assert await side.github.job_log("octo/sample", 5) == "It fails.\n"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv(variable, value)
    with pytest.raises(ForgeUnavailable, match=variable) as of_log:
        await side.github.job_log("octo/sample", 5)
    with pytest.raises(ForgeUnavailable, match=variable) as of_attachment:
        await fetch_attachment(side.forge.address, 1)
    assert of_log.value.hint == of_attachment.value.hint != ""
