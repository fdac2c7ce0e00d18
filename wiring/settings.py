"""All settings, read in one place. Rooms get plain values."""

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import platformdirs
from pydantic import (
    AliasGenerator,
    Field,
    SecretStr,
    ValidationError,
    create_model,
)
from pydantic_settings import SettingsConfigDict

from api import ModelName
from forge.core import is_loopback
from graph import ROLE_NAMES, SHORTEST_SECRET, AllowName, Effort, RoleName, describe_faults
from sandbox import BackendName
from wiring.setting_groups.claude_access import AWS_SECRETS, DEFAULT_MODEL, ClaudeAccess
from wiring.setting_groups.github_app import APP_SECRETS, GitHubAppSettings, read_app_key
from wiring.setting_groups.triggers import TriggerSettings
from wiring.setting_types.address import Address, GuardedAddress
from wiring.setting_types.api_keys import ApiKeys
from wiring.setting_types.branch_prefix import BRANCH_PREFIX, BranchPrefix
from wiring.setting_types.comma_list import from_text, listed
from wiring.setting_types.credential import Credential
from wiring.setting_types.database_url import DatabaseUrl, passwords_of
from wiring.setting_types.host_names import AUTO, HostNames, ServedHosts
from wiring.setting_types.mailbox import Mailbox
from wiring.setting_types.paths import AbsolutePath, Folders, absolute
from wiring.setting_types.repo_rules import RepoRule, RepoRules
from wiring.setting_types.setup_variables import (
    SetupVariable,
    SetupVariables,
    names_of_variables,
)
from wiring.setting_types.webhook_url import WebhookSecret, WebhookUrl

APP_NAME: Final = "coding-agent"
_PREFIX: Final = "CODING_AGENT_"
_FOREIGN: Final = ("anthropic_", "aws_", "docker_", "github_token", "github_api_url", "otel_")
_NOTICES: Final = ("webhook_url", "webhook_secret", "slack_webhook_url")
_SECRETS: Final = (
    *("anthropic_api_key", "github_token", "api_keys", "api_key", "database_url"),
    *("otel_exporter_otlp_headers", "signing_key"),
    *APP_SECRETS,
    "github_webhook_secrets",
    *_NOTICES,
    *AWS_SECRETS,
)
_MACHINE_ONLY: Final = frozenset(
    (
        *("data_dir", "sandbox", "tool_paths", "docker_host", "network", "server", "api_key"),
        *("signing_key_file", "github_app_key_file", "aws_profile"),
    )
)
_SECRETS_OF: Final = {
    "api": ("api_keys", "github_webhook_secrets", "database_url"),
    "run": ("otel_exporter_otlp_headers", "signing_key", "database_url"),
    "triggers": ("database_url",),
    "janitor": ("database_url",),
}
"""Functions of Modal that get secrets among their settings; the two credentials are apart."""
_COMMANDS: Final = {
    "api_keys": 'export CODING_AGENT_API_KEYS="me:$(openssl rand -hex 24)"',
    "repos": "export CODING_AGENT_REPOS='OWNER/*'",
}
"""Settings without which a server must not be reached from elsewhere, and how to set each."""


class SettingsError(Exception):
    """Raised when settings are wrong; each line names a variable and what it takes."""


def _data_dir() -> Path:
    if os.name == "posix" and os.geteuid() == 0:
        return Path("/var/lib") / APP_NAME
    return platformdirs.user_data_path(APP_NAME)


def _variable(field: str) -> str:
    """The environment variable of a field."""
    return field.upper() if field.startswith(_FOREIGN) else _PREFIX + field.upper()


Names = Annotated[tuple[str, ...], from_text(listed)]
Image = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$")]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Money = Annotated[float, Field(ge=0, allow_inf_nan=False)]


if TYPE_CHECKING:

    class _RoleSettings(ClaudeAccess): ...
else:
    _RoleSettings = create_model(
        "_RoleSettings",
        __base__=ClaudeAccess,
        **{f"model_{role}": (ModelName | None, None) for role in ROLE_NAMES},
        **{f"effort_{role}": (Effort | None, None) for role in ROLE_NAMES},
    )


class Settings(GitHubAppSettings, TriggerSettings, _RoleSettings):
    """Every setting, frozen. Fields are named as their variables without `CODING_AGENT_`."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        alias_generator=AliasGenerator(validation_alias=_variable),
        populate_by_name=True,
        case_sensitive=True,
        enable_decoding=False,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        validate_default=False,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
    )

    github_token: Credential | None = None
    github_api_url: GuardedAddress = "https://api.github.com"

    database_url: DatabaseUrl | None = None
    data_dir: AbsolutePath = Field(default_factory=_data_dir)
    api_keys: ApiKeys = ()
    operators: Names = ()
    repos: RepoRules = ()
    hosts: ServedHosts = ()
    visibility: Literal["own", "team"] = "own"
    key_rate: Count = 60
    key_max_cost_usd_per_day: Money = 0.0
    max_cost_usd_per_day: Money = 0.0

    sandbox: BackendName = "auto"
    tool_paths: Folders = ()
    sandbox_image: Image = "python:3.12-slim-bookworm"
    images: Names = ()
    keep_live_sandbox: bool = False
    docker_host: str | None = None
    command_timeout_s: Positive = 300
    command_memory_mb: Positive = 2048
    command_cpus: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2
    command_pids: Positive = 256
    command_disk_mb: Positive = 2048
    network: Literal["none"] = "none"
    """No other value was ever safe, and none is taken."""
    setup_hosts: HostNames | None = None
    """None: not said, which is `auto` on this machine and for itself, and `none` elsewhere."""
    setup_timeout_s: Positive = 900
    setup_secrets: SetupVariables = ()

    model: ModelName = DEFAULT_MODEL
    models: Annotated[tuple[ModelName, ...], from_text(listed)] = ()
    effort: Effort | None = None
    """None: each model's own, but for what is small by its kind."""
    max_cost_usd: Money = 5.0
    max_tokens: Count = 0
    max_fix_rounds: Count = 3
    run_timeout_s: Positive = 3600

    max_concurrent_runs: Positive = 8
    max_queued_runs: Count = 100
    max_readers: Positive = 1000
    keep_days: Positive = 30

    fork: Literal["never", "public"] = "never"
    branch_prefix: BranchPrefix = BRANCH_PREFIX
    any_branch: bool = False
    allow: Annotated[tuple[AllowName, ...], from_text(listed)] = ()
    git_author: Mailbox | None = None
    signoff: Mailbox | None = None
    signing_key_file: AbsolutePath | None = None
    signing_key: SecretStr | None = None
    """The key's own text, where there is no file of the operator's."""

    webhook_url: WebhookUrl | None = None
    webhook_secret: WebhookSecret | None = None
    slack_webhook_url: WebhookUrl | None = None

    log_format: Literal["auto", "json", "text"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    otel_exporter_otlp_endpoint: Address | None = None
    otel_exporter_otlp_headers: SecretStr | None = None

    server: GuardedAddress | None = None
    api_key: Credential | None = None

    @property
    def secrets(self) -> tuple[SecretStr | None, ...]:
        """What must not show in a log."""
        own = (self.github_token, self.api_key, self.database_url)
        return (
            *self.claude_secrets,
            *own,
            *(self.otel_exporter_otlp_headers, self.signing_key, self.github_app_key),
            *(self.webhook_url, self.webhook_secret, self.slack_webhook_url),
            *(passwords_of(self.database_url) if self.database_url else ()),
            *(key.key for key in self.api_keys),
            *self.github_webhook_secrets,
            *(secret.value for secret in self.setup_secrets),
        )

    @property
    def role_models(self) -> dict[RoleName, str]:
        """The model of each role: its own, else the general one."""
        return {role: getattr(self, f"model_{role}") or self.model for role in ROLE_NAMES}

    @property
    def role_efforts(self) -> dict[RoleName, Effort | None]:
        """How hard each role thinks: its own setting, else the general one."""
        return {role: getattr(self, f"effort_{role}") or self.effort for role in ROLE_NAMES}

    @property
    def missing_in_public(self) -> dict[str, str]:
        """What a server that others reach lacks: variables, and the command that sets each."""
        return {
            _variable(field): command
            for field, command in _COMMANDS.items()
            if not getattr(self, field)
        }

    def repo_allowed(self, full_name: str, key_name: str | None = None) -> bool:
        """Whether `OWNER/REPO` may be worked on, by this key or (None) by any."""
        return not self.repos or any(rule.allows(full_name, key_name) for rule in self.repos)

    def repo_globs(self, key_name: str) -> tuple[str, ...]:
        """The globs of the repositories that this key may work on; `*` stands for any."""
        rules = self.repos or (RepoRule("*"),)
        return tuple(rule.glob for rule in rules if rule.key_name in (None, key_name))

    @property
    def hosts_of_setup(self) -> tuple[str, ...]:
        """What set-up reaches; nothing by itself where commands run on Modal."""
        if self.setup_hosts is None:
            return () if self.sandbox == "modal" else (AUTO,)
        return self.setup_hosts

    @property
    def secrets_of_setup(self) -> dict[str, dict[str, SecretStr]]:
        """The variables that set-up gets, by repository and name; empty where there is no value."""
        found: dict[str, dict[str, SecretStr]] = {}
        for secret in self.setup_secrets:
            found.setdefault(secret.repo, {})[secret.name] = secret.value or SecretStr("")
        return found

    def served_on(self, host: str) -> "Settings":
        """The settings of a service there: one that others reach has no network of itself.

        Raises SettingsError where serving on `host` would let strangers in.
        """
        if is_loopback(host):
            return self
        self._check_public(host)
        closed = {"setup_hosts": self.setup_hosts or ()}
        return self.model_copy(update=closed)

    def _check_public(self, host: str) -> None:
        if not self.missing_in_public:
            return
        fix = "\n".join(f"  {command}" for command in self.missing_in_public.values())
        raise SettingsError(
            f"{host} can be reached from other machines, so {' and '.join(self.missing_in_public)} "
            f"must be set:\n{fix}\nor bind to 127.0.0.1."
        )


@cache
def load_settings() -> Settings:
    """Read environment and env file, once; secrets are then no longer in the environment."""
    settings = read_settings(_env_file())
    asks_aws = settings.provider in ("aws", "bedrock")
    ours = [name for name in _SECRETS if name not in AWS_SECRETS or asks_aws]
    names = [*map(_variable, ours), *(secret.name for secret in settings.setup_secrets)]
    settings = settings.model_copy(update={"setup_secrets": _with_values(settings.setup_secrets)})
    for name in names:
        os.environ.pop(name, None)
    return settings


def _with_values(secrets: tuple[SetupVariable, ...]) -> tuple[SetupVariable, ...]:
    """The variables with what the service's environment has. Raises SettingsError.

    One that is too short could not be told from ordinary words, where it slips out.
    """
    for secret in secrets:
        if 0 < len(os.environ.get(secret.name, "")) < SHORTEST_SECRET:
            raise SettingsError(f"{secret.name}: takes {SHORTEST_SECRET} characters at least")
    return tuple(
        replace(secret, value=SecretStr(os.environ[secret.name]))
        if secret.name in os.environ
        else secret
        for secret in secrets
    )


def deployed_environment(function: str) -> dict[str, str | None]:
    """The settings that a function of Modal gets: all that are no secrets, and its own secrets."""
    withheld = {*_MACHINE_ONLY, *_SECRETS} - {*_SECRETS_OF.get(function, ())}
    names = (_variable(field) for field in Settings.model_fields if field not in withheld)
    given: dict[str, str | None] = {name: os.environ.get(name, "") for name in names}
    if function == "run":  # where set-up is begun
        wanted = names_of_variables(os.environ.get(_variable("setup_secrets"), ""))
        given |= {name: os.environ.get(name, "") for name in wanted}
        key, file = _variable("signing_key"), os.environ.get(_variable("signing_key_file"))
        if file and not given[key]:
            given[key] = _read_key(absolute(file))
    return given


def _read_key(path: Path) -> str:
    """The text of a key that a function gets, which has no files of this machine."""
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        told = f"cannot be read as text: {type(error).__name__}"
        raise SettingsError(f"{_variable('signing_key_file')}: {path} {told}") from None


def read_settings(env_file: Path | None) -> Settings:
    """The settings as environment and `env_file` have them now. Raises SettingsError."""
    try:
        settings = Settings(_env_file=env_file)
    except ValidationError as error:
        raise SettingsError("\n".join(describe_faults(error))) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{env_file} cannot be read: {type(error).__name__}") from None
    if settings.webhook_url and not settings.webhook_secret:
        raise SettingsError("CODING_AGENT_WEBHOOK_SECRET: is needed to sign what the webhook gets")
    try:
        return settings.model_copy(update={"github_app_key": read_app_key(settings)})
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _env_file() -> Path | None:
    """The named file, which must be there, or the one in the user's config folder."""
    if named := os.environ.get("CODING_AGENT_ENV_FILE"):
        path = Path(named).expanduser()
        if not path.is_file():
            raise SettingsError(f"CODING_AGENT_ENV_FILE: there is no file {named}")
        return path
    path = platformdirs.user_config_path(APP_NAME) / "env"
    return path if path.is_file() else None
