"""Other endpoints of the same models, by the SDK's own clients and over a socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from graph.errors import ClaudeUnauthorized
from roles.claude.client import Claude
from roles.claude.prices import find_model
from roles.claude.provider import AwsProvider, BedrockProvider, Provider, VertexProvider
from roles.claude.reply import AttemptFailed
from tests.roles.claude.test_client import Heard, body
from tests.standins.claude import HttpError, Script, says, text
from tests.standins.messages_api.server import MessagesServer

SECRET = "secret-key-of-an-aws-account-0123"
needs_boto3 = pytest.mark.skipif(not find_spec("boto3"), reason="boto3 is not installed")
needs_google_auth = pytest.mark.skipif(
    not (find_spec("google") and find_spec("google.auth")), reason="google-auth is not installed"
)
TOKEN = "token-of-a-google-account-0123456"


def bedrock(**given: Any) -> BedrockProvider:
    return BedrockProvider(**({"region": "eu-west-1", "probed_model": "claude-opus-5-5"} | given))


def by_keys(base_url: str | None = None) -> BedrockProvider:
    return bedrock(
        access_key=SecretStr("AKIDEXAMPLE"), secret_key=SecretStr(SECRET), base_url=base_url
    )


def aws(**given: Any) -> AwsProvider:
    return AwsProvider(**({"region": "eu-west-1", "workspace_id": "wrkspc_1"} | given))


@asynccontextmanager
async def served(*answers: Any) -> AsyncIterator[MessagesServer]:
    async with MessagesServer(Script(*answers)) as server:
        yield server


async def speak(provider: Provider) -> list[dict[str, Any]]:
    claude = Claude(provider)
    try:
        model = claude.model_id("claude-opus-5-5")
        return (await claude.attempt(body(model=model), Heard())).content
    finally:
        await claude.close()


async def test_bedrock_takes_its_own_key() -> None:
    key = "key-of-bedrock-0123456789"
    async with served(says("Hello.")) as server:
        provider = bedrock(api_key=SecretStr(key), base_url=server.base_url)
        assert await speak(provider) == [text("Hello.")]
        assert server.authorizations == [f"Bearer {key}"]
        assert server.requests[0]["model"] == "anthropic.claude-opus-5-5"


@needs_boto3
async def test_requests_to_bedrock_are_signed_by_an_accounts_keys() -> None:
    async with served(says("Hello.")) as server:
        assert await speak(by_keys(server.base_url)) == [text("Hello.")]
    (signed,) = server.authorizations
    assert signed.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-west-1/bedrock-mantle/aws4_request" in signed
    assert SECRET not in signed


async def test_the_platform_on_aws_takes_a_key_of_its_workspace() -> None:
    key = "key-of-a-workspace-0123456789"
    async with MessagesServer(Script(says("Hello.")), key=key) as server:
        provider = aws(api_key=SecretStr(key), base_url=server.base_url)
        assert await speak(provider) == [text("Hello.")]
        assert server.workspaces == ["wrkspc_1"]
        assert server.requests[0]["model"] == "claude-opus-5-5"
    assert provider.secrets == (SecretStr(key),)


@needs_boto3
async def test_requests_to_the_platform_on_aws_are_signed_by_an_accounts_keys() -> None:
    async with served(says("Hello.")) as server:
        keys = {"access_key": SecretStr("AKIDEXAMPLE"), "secret_key": SecretStr(SECRET)}
        provider = aws(base_url=server.base_url, **keys)
        assert await speak(provider) == [text("Hello.")]
        claude = Claude(provider)
        await claude.probe()
        await claude.close()
    for signed in server.authorizations:
        assert signed.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
        assert "/eu-west-1/aws-external-anthropic/aws4_request" in signed
        assert SECRET not in signed
    assert server.workspaces == ["wrkspc_1"] * 2


@needs_boto3
async def test_a_credential_of_bedrock_is_tried_without_cost() -> None:
    async with served() as server:
        claude = Claude(by_keys(server.base_url))
        await claude.probe()
        await claude.close()
        assert not server.requests


@needs_boto3
async def test_what_bedrock_refuses_names_its_credentials() -> None:
    async with served(HttpError(403, "permission_error", f"no {SECRET}")) as server:
        with pytest.raises(AttemptFailed) as raised:
            await speak(by_keys(server.base_url))
    assert isinstance(raised.value.error, ClaudeUnauthorized)
    assert SECRET not in raised.value.error.message
    assert Claude(by_keys()).contains_key(f"x{SECRET}".encode())


@needs_boto3
async def test_without_credentials_of_an_account_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    async with served() as server:
        for given in ({}, {"profile": "nobody"}):
            with pytest.raises(AttemptFailed) as raised:
                await speak(bedrock(base_url=server.base_url, **given))
            assert "AWS_BEARER_TOKEN_BEDROCK" in raised.value.error.hint
            assert not raised.value.repeatable
        assert not server.authorizations


@pytest.mark.parametrize(
    ("provider", "step"),
    [
        (bedrock(region=None), "AWS_REGION"),
        (bedrock(access_key=SecretStr("AKIDEXAMPLE")), "AWS_SECRET_ACCESS_KEY"),
        (aws(workspace_id=None), "ANTHROPIC_AWS_WORKSPACE_ID"),
        (aws(access_key=SecretStr("AKIDEXAMPLE")), "ANTHROPIC_AWS_API_KEY"),
        pytest.param(
            VertexProvider(project="p", workspace_id=None),
            "ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID",
            marks=needs_google_auth,
        ),
    ],
    ids=["region", "half a key", "workspace on AWS", "half a key on AWS", "workspace"],
)
async def test_what_is_missing_is_named_at_once(provider: Provider, step: str) -> None:
    claude = Claude(provider)
    await claude.warm()
    with pytest.raises(ClaudeUnauthorized) as raised:
        await claude.probe()
    assert step in raised.value.hint


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A service account of Google; who asks for its token is to be named."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "project_id": "house",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "agent@house.iam.gserviceaccount.com",
    }


@asynccontextmanager
async def token_server() -> AsyncIterator[str]:
    """Gives the token of a service account to whoever asks."""

    async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
        told = json.dumps({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})
        kind = "content-type: application/json\r\nconnection: close"
        head = f"HTTP/1.1 200 OK\r\n{kind}\r\ncontent-length: {len(told)}\r\n\r\n"
        writer.write(f"{head}{told}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(give, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/token"


@needs_google_auth
async def test_google_cloud_takes_the_token_of_a_service_account(
    account: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with token_server() as token_uri, served(says("Hello.")) as server:
        file = tmp_path / "account.json"
        file.write_text(json.dumps(account | {"token_uri": token_uri}))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        vertex = VertexProvider(project=None, workspace_id="w", base_url=server.base_url)
        assert await speak(vertex) == [text("Hello.")]
        assert server.authorizations == [f"Bearer {TOKEN}"]
        assert server.requests[0]["model"] == "claude-opus-5-5"


@needs_google_auth
async def test_without_google_credentials_the_step_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    async with served() as server:
        vertex = VertexProvider(project="p", workspace_id="w", base_url=server.base_url)
        with pytest.raises(AttemptFailed) as raised:
            await speak(vertex)
    assert "gcloud auth application-default login" in raised.value.error.hint


def test_prices_of_bedrock_are_those_of_a_region() -> None:
    own, there = find_model("claude-haiku-5-5"), find_model("anthropic.claude-haiku-5-5")
    assert own
    assert there
    for size in (1, 200_000):
        assert there.rates(size).read == pytest.approx(1.1 * own.rates(size).read)
    assert there.window == own.window
    assert find_model("anthropic.claude-haiku-4-5-20251001-v1:0")
    assert find_model("claude-haiku-4-5-v1:0") is None
    assert find_model("anthropic.house-model") is None
