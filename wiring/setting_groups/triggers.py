"""Settings of what begins runs on the forge."""

from typing import Annotated, Final, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from graph import SHORTEST_SECRET
from wiring.setting_types.comma_list import from_text, listed

Autofix = Literal["ci", "conflicts", "reviews"]
_MOST_SECRETS: Final = 2


def _secrets(text: str) -> tuple[SecretStr, ...]:
    secrets = tuple(map(SecretStr, listed(text)))
    if len(secrets) > _MOST_SECRETS:
        raise ValueError("takes one secret, or two while it is changed")
    if any(len(secret) < SHORTEST_SECRET for secret in secrets):
        raise ValueError(f"takes secrets of at least {SHORTEST_SECRET} characters")
    return secrets


class TriggerSettings(BaseSettings):
    """Webhooks and words that begin runs, and what these may cost."""

    github_webhook_secrets: Annotated[tuple[SecretStr, ...], from_text(_secrets)] = ()
    label: Annotated[str, Field(min_length=1, max_length=50)] = "coding-agent"
    trigger: Annotated[str, Field(pattern=r"^/[a-z0-9][a-z0-9-]{0,99}$")] = "/coding-agent"
    autofix: Annotated[tuple[Autofix, ...], from_text(listed)] = ()
    pr_max_cost_usd_per_day: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10.0
