"""Settings of the GitHub App that works in place of a token."""

from typing import Annotated, Final

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from wiring.setting_types.paths import AbsolutePath

APP_SECRETS: Final = ("github_app_id", "github_app_key")
"""Settings that lie where the token lies."""


class GitHubAppSettings(BaseSettings):
    """The App's number and private key."""

    github_app_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9.]{1,40}$")] | None = None
    github_app_key_file: AbsolutePath | None = None
    github_app_key: SecretStr | None = None
    """What is in the file; by itself where there is none, as on Modal."""


def read_app_key(settings: GitHubAppSettings) -> SecretStr | None:
    """The key, from its file where one is named. Raises ValueError."""
    path, key = settings.github_app_key_file, settings.github_app_key
    if path and not key:
        try:
            key = SecretStr(path.read_text(encoding="ascii"))
        except (OSError, UnicodeDecodeError) as error:
            told = f"CODING_AGENT_GITHUB_APP_KEY_FILE: {path} cannot be read"
            raise ValueError(f"{told}: {type(error).__name__}") from None
    if key and not settings.github_app_id:
        raise ValueError("CODING_AGENT_GITHUB_APP_ID: is needed beside the App's key")
    if settings.github_app_id and not key:
        raise ValueError("CODING_AGENT_GITHUB_APP_KEY_FILE: is needed beside the App's number")
    return key
