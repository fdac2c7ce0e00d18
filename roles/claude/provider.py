"""Whose endpoint of the Messages API is asked: its client, its credentials, its names of models."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar, Final, Protocol

from pydantic import SecretStr

ANTHROPIC_URL: Final = "https://api.anthropic.com"
_INSTALL: Final = "pip install 'modal-coding-agent[{}]'"


class Provider(Protocol):
    """What one client of the SDK is made with. `base_url` takes the place of its own address."""

    client: ClassVar[str]
    """The class of the SDK."""
    unauthorized_hint: ClassVar[str]
    unavailable_hint: ClassVar[str]

    @property
    def base_url(self) -> str | None: ...

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        """What must never be told."""
        ...

    def find_missing(self) -> tuple[str, str] | None:
        """What a client lacks, and how to get it; None where it can be made. Sends nothing."""
        ...

    def client_options(self) -> dict[str, Any]:
        """Arguments of the client: credentials and place."""
        ...

    def model_id(self, model: str) -> str:
        """The model's name as the endpoint has it."""
        ...

    def probe(self) -> tuple[str, dict[str, Any] | None]:
        """Path and body of a call that costs nothing; without a body it is a GET."""
        ...

    def credential_errors(self) -> tuple[type[Exception], ...]:
        """What is raised where a request cannot be signed."""
        ...


@dataclass(frozen=True, kw_only=True)
class AnthropicProvider:
    """Anthropic's own endpoint, or a gateway at `base_url` that speaks as it does."""

    api_key: SecretStr | None
    base_url: str | None = None

    client: ClassVar[str] = "AsyncAnthropic"
    unauthorized_hint: ClassVar[str] = "Set ANTHROPIC_API_KEY to a valid key."
    unavailable_hint: ClassVar[str] = "See https://status.anthropic.com, then resume the run."

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        return (self.api_key,) if self.api_key else ()

    def find_missing(self) -> tuple[str, str] | None:
        if self.api_key and self.api_key.get_secret_value():
            return None
        return "There is no key for the Messages API.", self.unauthorized_hint

    def client_options(self) -> dict[str, Any]:
        assert self.api_key
        key = self.api_key.get_secret_value()
        return {"api_key": key, "base_url": self.base_url or ANTHROPIC_URL}

    def model_id(self, model: str) -> str:
        return model

    def probe(self) -> tuple[str, dict[str, Any] | None]:
        return "/v1/models?limit=1", None

    def credential_errors(self) -> tuple[type[Exception], ...]:
        return ()


@dataclass(frozen=True, kw_only=True)
class _AwsAccount:
    """How a client asks in the name of an AWS account: by an API key, or by the account's own keys.

    Without `api_key` and `access_key` boto3 looks for credentials, those of a `profile` too.
    """

    region: str | None
    api_key: SecretStr | None = None
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    session_token: SecretStr | None = None
    profile: str | None = None
    base_url: str | None = None

    service: ClassVar[str]
    extra: ClassVar[str]
    """Of the package: what signs requests."""
    key_variable: ClassVar[str]
    unauthorized_hint: ClassVar[str]

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        given = (self.api_key, self.access_key, self.secret_key, self.session_token)
        return tuple(secret for secret in given if secret)

    def find_missing(self) -> tuple[str, str] | None:
        if not self.region and not self.base_url:
            return f"{self.service} needs a region.", "Set AWS_REGION."
        if (self.access_key is None) != (self.secret_key is None):
            return "Half of an AWS key is missing.", self.unauthorized_hint
        if not self.api_key and not find_spec("botocore"):
            hint = f"{_INSTALL.format(self.extra)}, or set {self.key_variable}."
            return f"boto3, which signs requests to {self.service}, is not installed.", hint
        return None

    def client_options(self) -> dict[str, Any]:
        place = {"aws_region": self.region, "base_url": self.base_url}
        if self.api_key:
            return place | {"api_key": self.api_key.get_secret_value()}
        keys = {
            "aws_access_key": self.access_key,
            "aws_secret_key": self.secret_key,
            "aws_session_token": self.session_token,
        }
        given = {name: key.get_secret_value() for name, key in keys.items() if key}
        return place | given | ({} if given else {"aws_profile": self.profile})

    def credential_errors(self) -> tuple[type[Exception], ...]:
        if self.api_key:
            return ()
        from botocore.exceptions import BotoCoreError

        return (BotoCoreError, RuntimeError)  # the second where there are none


@dataclass(frozen=True, kw_only=True)
class AwsProvider(_AwsAccount):
    """Claude Platform on AWS: run by Anthropic, paid and signed for by an AWS account."""

    workspace_id: str | None

    client: ClassVar[str] = "AsyncAnthropicAWS"
    service: ClassVar[str] = "Claude Platform on AWS"
    extra: ClassVar[str] = "aws"
    key_variable: ClassVar[str] = "ANTHROPIC_AWS_API_KEY"
    unauthorized_hint: ClassVar[str] = (
        "Set ANTHROPIC_AWS_API_KEY, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, of an account"
        " that may use the workspace."
    )
    unavailable_hint: ClassVar[str] = (
        "Check that the workspace is one of AWS_REGION, then resume the run."
    )

    def find_missing(self) -> tuple[str, str] | None:
        if not self.workspace_id:
            return f"{self.service} needs a workspace.", "Set ANTHROPIC_AWS_WORKSPACE_ID."
        return super().find_missing()

    def client_options(self) -> dict[str, Any]:
        return super().client_options() | {"workspace_id": self.workspace_id}

    def model_id(self, model: str) -> str:
        return model

    def probe(self) -> tuple[str, dict[str, Any] | None]:
        return "/v1/models?limit=1", None


@dataclass(frozen=True, kw_only=True)
class BedrockProvider(_AwsAccount):
    """Claude in Amazon Bedrock, which has an API key and names of models of its own."""

    probed_model: str

    client: ClassVar[str] = "AsyncAnthropicBedrockMantle"
    service: ClassVar[str] = "Amazon Bedrock"
    extra: ClassVar[str] = "bedrock"
    key_variable: ClassVar[str] = "AWS_BEARER_TOKEN_BEDROCK"
    unauthorized_hint: ClassVar[str] = (
        "Set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, of an"
        " account that may use the model."
    )
    unavailable_hint: ClassVar[str] = (
        "Check that AWS_REGION has Claude in Amazon Bedrock, then resume the run."
    )
    _VENDOR: ClassVar[str] = "anthropic."

    def model_id(self, model: str) -> str:
        return f"{self._VENDOR}{model}" if model.startswith("claude-") else model

    def probe(self) -> tuple[str, dict[str, Any] | None]:
        message = {"role": "user", "content": "Hello"}
        body = {"model": self.model_id(self.probed_model), "messages": [message]}
        return "/v1/messages/count_tokens", body


@dataclass(frozen=True, kw_only=True)
class VertexProvider:
    """Claude on Google Cloud as Anthropic runs it there, by application default credentials."""

    project: str | None
    workspace_id: str | None
    location: str | None = None
    base_url: str | None = None

    client: ClassVar[str] = "AsyncAnthropicGoogleCloud"
    unauthorized_hint: ClassVar[str] = (
        "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a"
        " file of a service account that may use Claude."
    )
    unavailable_hint: ClassVar[str] = (
        "Check project, location and workspace (ANTHROPIC_GOOGLE_CLOUD_*), then resume the run."
    )

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        return ()

    def find_missing(self) -> tuple[str, str] | None:
        if not find_spec("google") or not find_spec("google.auth"):
            return "google-auth, which signs in, is not installed.", _INSTALL.format("vertex")
        if not self.workspace_id and not self.base_url:
            hint = "Set ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID."
            return "Claude on Google Cloud needs a workspace.", hint
        return None

    def client_options(self) -> dict[str, Any]:
        return {
            "project": self.project,
            "location": self.location,
            "workspace_id": self.workspace_id,
            "base_url": self.base_url,
        }

    def model_id(self, model: str) -> str:
        return model

    def probe(self) -> tuple[str, dict[str, Any] | None]:
        return "/v1/models?limit=1", None

    def credential_errors(self) -> tuple[type[Exception], ...]:
        from google.auth.exceptions import GoogleAuthError

        return (GoogleAuthError,)
