"""Whose endpoint of the Messages API is asked, and the credentials for it."""

from typing import Final, Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from wiring.setting_types.address import Address
from wiring.setting_types.credential import Credential

ProviderName = Literal["anthropic", "aws", "bedrock", "vertex"]
AWS_SECRETS: Final = (
    "anthropic_aws_api_key",
    "aws_bearer_token_bedrock",
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
)
CLAUDE_ACCESS: Final = (
    *("provider", "anthropic_api_key", "anthropic_base_url"),
    *(*AWS_SECRETS, "aws_region", "aws_default_region", "aws_profile"),
    "anthropic_aws_workspace_id",
    *(f"anthropic_google_cloud_{part}" for part in ("project", "location", "workspace_id")),
)
"""All fields that say how Claude is reached."""
DEFAULT_MODEL: Final = "claude-opus-5-5"


class ClaudeAccess(BaseSettings):
    """The part of the settings that says how Claude is reached."""

    provider: ProviderName = "anthropic"
    anthropic_api_key: Credential | None = None
    anthropic_base_url: Address | None = None
    anthropic_aws_api_key: Credential | None = None
    anthropic_aws_workspace_id: str | None = None
    aws_bearer_token_bedrock: Credential | None = None
    aws_access_key_id: Credential | None = None
    aws_secret_access_key: Credential | None = None
    aws_session_token: Credential | None = None
    aws_region: str | None = None
    aws_default_region: str | None = None
    aws_profile: str | None = None
    anthropic_google_cloud_project: str | None = None
    anthropic_google_cloud_location: str | None = None
    anthropic_google_cloud_workspace_id: str | None = None

    @property
    def claude_secrets(self) -> tuple[SecretStr | None, ...]:
        """What must not show in a log."""
        return (self.anthropic_api_key, *(getattr(self, name) for name in AWS_SECRETS))
