"""The settings of a demo: the user's for the machine, its own for everything else."""

from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from graph import ROLE_NAMES
from wiring import CLAUDE_ACCESS, Settings

_MACHINE: Final = (
    "sandbox",
    "sandbox_image",
    "docker_host",
    "tool_paths",
    "command_timeout_s",
    "command_memory_mb",
    "command_cpus",
    "command_pids",
    "command_disk_mb",
    "log_format",
    "log_level",
    "otel_exporter_otlp_endpoint",
    "otel_exporter_otlp_headers",
)
_CLAUDE: Final = (
    *CLAUDE_ACCESS,
    "model",
    *(f"model_{role}" for role in ROLE_NAMES),
    "max_cost_usd",
    "max_tokens",
    "max_fix_rounds",
    "run_timeout_s",
)


def demo_settings(
    settings: Settings, *, data_dir: Path, github_api_url: str, github_token: str
) -> Settings:
    """A live demo's settings: Claude as the user has it, GitHub and data folder of the demo."""
    own = {
        "data_dir": data_dir,
        "github_api_url": github_api_url,
        "github_token": SecretStr(github_token),
        "setup_hosts": (),  # a demo needs no network
    }
    return _with(settings, (*_MACHINE, *_CLAUDE), own)


def replayed(settings: Settings, base_url: str) -> Settings:
    """These settings with the replayed Claude; no key of the user's reaches it."""
    own = {"anthropic_base_url": base_url, "anthropic_api_key": SecretStr("replayed-claude")}
    kept = (*_MACHINE, "data_dir", "github_api_url", "github_token", "setup_hosts")
    return _with(settings, kept, own)


def _with(settings: Settings, kept: tuple[str, ...], own: dict[str, Any]) -> Settings:
    """What is neither kept nor set is as if nobody had set it."""
    defaults = {
        name: field.get_default(call_default_factory=True)
        for name, field in Settings.model_fields.items()
        if name not in kept
    }
    return settings.model_copy(update=defaults | own)
