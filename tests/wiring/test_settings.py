"""Settings: defaults, parsing, secrets out of the environment, and what must not be read."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from forge.core.repository_address import is_loopback
from graph.state import Limits as RunLimits
from graph.values import ROLE_NAMES
from roles.claude import (
    AnthropicProvider,
    AwsProvider,
    BedrockProvider,
    Provider,
    VertexProvider,
)
from sandbox.core.protocol import Limits as CommandLimits
from wiring.configuration import Configuration
from wiring.setting_types.api_keys import parse_api_keys
from wiring.setting_types.repo_rules import RepoRule, parse_repo_rules
from wiring.settings import (
    Settings,
    SettingsError,
    deployed_environment,
    load_settings,
    read_settings,
)

KEY = "k" * 24


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith(("CODING_AGENT_", "ANTHROPIC_", "AWS_", "GITHUB_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


def test_defaults_are_those_of_the_contract() -> None:
    settings = read_settings(None)
    assert settings.anthropic_api_key is None
    assert settings.github_api_url == "https://api.github.com"
    assert (settings.api_keys, settings.operators, settings.repos, settings.hosts) == ((),) * 4
    assert settings.sandbox == "auto"
    assert settings.network == "none"
    configuration = Configuration(settings, "1")
    assert configuration.command_limits == CommandLimits(
        timeout_s=300, memory_mb=2048, cpus=2, pids=256, disk_mb=2048
    )
    assert configuration.limits == RunLimits(
        max_cost_usd=5, max_tokens=0, max_fix_rounds=3, timeout_s=3600
    )
    assert set(settings.role_models.values()) == {"claude-opus-5-5"}
    assert settings.max_concurrent_runs == 8
    assert settings.max_queued_runs == 100
    assert settings.max_readers == 1000
    assert settings.fork == "never"
    assert settings.allow == ()
    assert settings.keep_days == 30
    assert (settings.key_rate, settings.key_max_cost_usd_per_day) == (60, 0)


def test_the_data_folder_of_root_is_below_var_lib() -> None:
    expected = "/var/lib/coding-agent" if os.geteuid() == 0 else str(Path.home())
    assert str(read_settings(None).data_dir).startswith(expected)


def test_every_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    given_values = {
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9/v1/",
        "GITHUB_API_URL": "https://git.example/api/v3",
        "CODING_AGENT_DATA_DIR": "data",
        "CODING_AGENT_OPERATORS": "ann, bob",
        "CODING_AGENT_SANDBOX": "docker",
        "CODING_AGENT_TOOL_PATHS": "/opt/go/bin:/opt/node/bin",
        "CODING_AGENT_COMMAND_CPUS": "1.5",
        "CODING_AGENT_SETUP_HOSTS": "one.example,two.example",
        "CODING_AGENT_MODEL": "general",
        "CODING_AGENT_MODEL_REVIEWER": "careful",
        "CODING_AGENT_MODELS": "general,careful",
        "CODING_AGENT_MAX_COST_USD": "0",
        "CODING_AGENT_RUN_TIMEOUT_S": "60",
        "CODING_AGENT_FORK": "public",
        "CODING_AGENT_ALLOW": "workflows,large_files",
        "CODING_AGENT_GIT_AUTHOR": "A Bot <bot@example.com>",
        "CODING_AGENT_HOSTS": "agent.example",
        "CODING_AGENT_SERVER": "https://agent.example",
    }
    for name, value in given_values.items():
        monkeypatch.setenv(name, value)
    settings = read_settings(None)
    assert settings.anthropic_base_url == "http://127.0.0.1:9/v1"
    assert settings.github_api_url == "https://git.example/api/v3"
    assert settings.data_dir == Path.cwd() / "data"
    assert settings.operators == ("ann", "bob")
    assert settings.sandbox == "docker"
    assert settings.tool_paths == (Path("/opt/go/bin"), Path("/opt/node/bin"))
    assert settings.command_cpus == 1.5
    assert settings.setup_hosts == ("one.example", "two.example")
    assert settings.role_models["reviewer"] == "careful"
    assert settings.role_models["coder"] == "general"

    assert settings.models == ("general", "careful")
    assert settings.max_cost_usd == 0
    assert settings.run_timeout_s == 60
    assert settings.fork == "public"
    assert settings.allow == ("workflows", "large_files")
    assert settings.git_author == "A Bot <bot@example.com>"
    assert settings.hosts == ("agent.example",)
    assert settings.server == "https://agent.example"


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "")
    monkeypatch.setenv("CODING_AGENT_API_KEYS", "")
    assert read_settings(None).github_token is None
    assert read_settings(None).api_keys == ()


def test_lower_case_names_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("model", "other")
    monkeypatch.setenv("data_dir", "/elsewhere")
    assert read_settings(None).model == "claude-opus-5-5"
    assert read_settings(None).data_dir != Path("/elsewhere")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CODING_AGENT_MAX_COST_USD", "-1", "greater than or equal to 0"),
        ("CODING_AGENT_MAX_COST_USD", "nan", "finite"),
        ("CODING_AGENT_MAX_COST_USD", "inf", "finite"),
        ("CODING_AGENT_MAX_READERS", "0", "greater than or equal to 1"),
        ("CODING_AGENT_KEEP_DAYS", "soon", "integer"),
        ("CODING_AGENT_SANDBOX", "none", "'bubblewrap'"),
        ("CODING_AGENT_FORK", "always", "'public'"),
        ("CODING_AGENT_BRANCH_PREFIX", "agent", "up to '/' or '-'"),
        ("CODING_AGENT_BRANCH_PREFIX", "-x/", "begin with"),
        ("CODING_AGENT_BRANCH_PREFIX", "a b/", "begin with"),
        ("CODING_AGENT_BRANCH_PREFIX", "/", "begin with"),
        ("CODING_AGENT_ALLOW", "everything", "'workflows'"),
        ("CODING_AGENT_TOOL_PATHS", "bin", "absolute"),
        ("CODING_AGENT_GIT_AUTHOR", "just a name", "Name <email>"),
        ("CODING_AGENT_GIT_AUTHOR", "a\nb <c@d>", "Name <email>"),
        ("CODING_AGENT_SIGNOFF", "just a name", "Name <email>"),
        ("CODING_AGENT_REPOS", "octocat", "OWNER/REPO"),
        ("CODING_AGENT_REPOS", "a b=x/y", "name=glob"),
        ("CODING_AGENT_API_KEYS", "short", "24"),
        ("CODING_AGENT_API_KEYS", "a b:" + KEY, "name"),
        ("CODING_AGENT_API_KEYS", f"a:{KEY},b:{KEY}", "twice"),
        ("GITHUB_API_URL", "http://git.example/api/v3", "loopback"),
        ("GITHUB_API_URL", "https://user@git.example", "without user"),
        ("GITHUB_API_URL", "ftp://git.example", "address"),
        ("GITHUB_API_URL", "https://[", ""),
        ("ANTHROPIC_BASE_URL", "file:///etc/passwd", "address"),
        ("ANTHROPIC_BASE_URL", "gateway.example/v1", "such as https://host.example"),
        ("ANTHROPIC_BASE_URL", "gateway.example:8080", "such as https://host.example"),
        ("ANTHROPIC_BASE_URL", "https://gateway.example:port", "a number from 1 to 65535"),
        ("ANTHROPIC_BASE_URL", "https://gateway.example:65536", "a number from 1 to 65535"),
        ("ANTHROPIC_BASE_URL", "https://gate\nway.example", "without spaces and line breaks"),
        ("ANTHROPIC_BASE_URL", "https://gateway.example/a b", "without spaces and line breaks"),
        ("CODING_AGENT_SLACK_WEBHOOK_URL", "https://host.example/a\tb", "line breaks"),
        ("CODING_AGENT_SLACK_WEBHOOK_URL", "https://host.example:99999/", "a number from 1"),
        ("CODING_AGENT_DATA_DIR", "~nobody-here-0123/data", "home of a user"),
        ("CODING_AGENT_SETUP_HOSTS", "https://index.example", "names of hosts"),
        ("CODING_AGENT_SETUP_HOSTS", "10.0.0.1", "names of hosts"),
        ("CODING_AGENT_SETUP_HOSTS", "a.example,*.example", "names of hosts"),
        ("CODING_AGENT_SETUP_HOSTS", "a.example:0", "names of hosts"),
        ("CODING_AGENT_SETUP_HOSTS", "a.example:65536", "names of hosts"),
        ("CODING_AGENT_SETUP_HOSTS", "a" * 64, "names of hosts"),
        ("CODING_AGENT_SERVER", "http://agent.example", "loopback"),
        ("CODING_AGENT_HOSTS", "https://agent.example", "names of hosts"),
        ("CODING_AGENT_HOSTS", "agent.example,*", "names of hosts"),
        ("CODING_AGENT_NETWORK", "all", "'none'"),
        ("CODING_AGENT_MODEL", "a model", "pattern"),
        ("CODING_AGENT_MODELS", "one,-two", "pattern"),
        ("CODING_AGENT_SANDBOX_IMAGE", "--privileged", "pattern"),
        ("ANTHROPIC_API_KEY", f"sk-{KEY}\n{KEY}", "printable"),
        ("GITHUB_TOKEN", f"ghp {KEY}", "printable"),
        ("CODING_AGENT_API_KEY", "schlüssel", "printable"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(
    name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        read_settings(None)
    assert re.match(rf"{name}(\.\d+)?: ", str(caught.value))
    assert told in str(caught.value)
    assert KEY not in str(caught.value)


def test_all_wrong_values_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODING_AGENT_KEY_RATE", "many")
    monkeypatch.setenv("CODING_AGENT_KEEP_DAYS", "few")
    with pytest.raises(SettingsError) as caught:
        read_settings(None)
    assert len(str(caught.value).splitlines()) == 2


def test_secrets_leave_the_environment_and_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "ANTHROPIC_API_KEY": "sk-marked-1\n",
        "GITHUB_TOKEN": "ghp-marked-2",
        "CODING_AGENT_API_KEYS": f"ann:{KEY}",
        "CODING_AGENT_API_KEY": "marked-3",
        "CODING_AGENT_DATABASE_URL": "postgresql://me:marked-4@host/runs",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert not set(secrets) & set(os.environ)
    assert load_settings() is settings
    assert settings.anthropic_api_key is not None
    assert settings.anthropic_api_key.get_secret_value() == "sk-marked-1"
    assert settings.api_keys[0].key.get_secret_value() == KEY
    shown = repr(settings) + str(settings) + settings.model_dump_json()
    assert not [
        value
        for value in ("sk-marked-1", "ghp-marked-2", KEY, "marked-3", "marked-4")
        if value in shown
    ]


@pytest.mark.parametrize("given", ["mysql://me:marked@host/d", "host/d", "marked"])
def test_another_database_is_refused_and_not_shown(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODING_AGENT_DATABASE_URL", given)
    with pytest.raises(SettingsError, match="CODING_AGENT_DATABASE_URL") as raised:
        read_settings(None)
    assert "marked" not in str(raised.value)


def test_a_databases_password_is_a_secret_of_its_own() -> None:
    for url in (
        "postgresql://me:hush%2Dhush@host/runs",
        "postgresql://host/runs?user=me&password=hush-hush",
        "postgresql://me@host/runs?sslkey=me.key&sslpassword=hush-hush",
    ):
        assert SecretStr("hush-hush") in Settings(database_url=SecretStr(url)).secrets


@pytest.mark.parametrize("password", ["hush#hush", "hush?hush", "hush[hush", "hush+hush", "a:hush"])
@pytest.mark.parametrize("place", ["me:{}@host/runs", "host/runs?sslmode=require&password={}"])
def test_a_password_is_read_from_the_address_as_its_client_reads_it(
    place: str, password: str
) -> None:
    url = f"postgresql://{place.format(password)}"
    assert conninfo_to_dict(url)["password"] == password
    assert SecretStr(password) in Settings(database_url=SecretStr(url)).secrets


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_settings(None).model = "other"  # type: ignore[misc]


def test_the_env_file_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (".env", "env", "coding-agent.env"):
        (tmp_path / name).write_text("CODING_AGENT_MODEL=hostile\n")
    assert load_settings().model == "claude-opus-5-5"
    load_settings.cache_clear()

    own = tmp_path / "config" / "coding-agent" / "env"
    own.parent.mkdir(parents=True)
    own.write_text("CODING_AGENT_MODEL=own\nSOMETHING_ELSE=1\nGITHUB_TOKEN=ghp-file\n")
    settings = load_settings()
    assert settings.model == "own"
    assert settings.github_token is not None
    load_settings.cache_clear()

    monkeypatch.setenv("CODING_AGENT_MODEL", "environment")
    assert load_settings().model == "environment"


def test_a_named_env_file_replaces_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "named"
    named.write_text("CODING_AGENT_MODEL=named\n")
    monkeypatch.setenv("CODING_AGENT_ENV_FILE", str(named))
    assert load_settings().model == "named"


def test_a_named_env_file_must_be_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODING_AGENT_ENV_FILE", str(tmp_path / "missing"))
    with pytest.raises(SettingsError, match="CODING_AGENT_ENV_FILE"):
        load_settings()
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings(binary)
    if os.geteuid() != 0:
        binary.chmod(stat.S_IWUSR)
        with pytest.raises(SettingsError, match="cannot be read"):
            read_settings(binary)


def test_keys_have_names() -> None:
    bare = "x" * 30
    named, unnamed = parse_api_keys(f"ann:{KEY}, {bare},")
    assert named.name == "ann"
    assert unnamed.name == hashlib.sha256(bare.encode()).hexdigest()[:12]


def test_a_name_may_have_two_keys() -> None:
    assert [key.name for key in parse_api_keys(f"ann:{KEY},ann:{'j' * 24}")] == ["ann", "ann"]


@given(st.text())
def test_the_parsers_take_or_refuse_any_text(text: str) -> None:
    for parse in (parse_api_keys, parse_repo_rules):
        with suppress(ValueError):
            assert len(parse(text)) <= text.count(",") + 1


NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
SECRET = st.text(st.characters(codec="ascii", exclude_categories=["C", "Z"]), min_size=24).filter(
    lambda key: "," not in key
)


@given(st.dictionaries(SECRET, NAME, max_size=5))
def test_written_keys_are_read_again(keys: dict[str, str]) -> None:
    parsed = parse_api_keys(",".join(f"{name}:{key}" for key, name in keys.items()))
    assert {key.key.get_secret_value(): key.name for key in parsed} == keys


@pytest.mark.parametrize(
    ("rules", "name", "key_name", "allowed"),
    [
        ("octo/*", "octo/cat", "ann", True),
        ("octo/*", "OCTO/Cat", "ann", True),
        ("octo/*", "octocat/x", "ann", False),
        ("octo*/x", "octocat/x", "ann", True),
        ("*/x", "any/x", "ann", True),
        ("*", "any/thing", "ann", True),
        ("ann=octo/cat", "octo/cat", "ann", True),
        ("ann=octo/cat", "octo/cat", "bob", False),
        ("ann=octo/cat", "octo/cat", None, True),
        ("ann=octo/cat,bob=*", "octo/dog", "ann", False),
        ("ann=octo/cat,bob=*", "octo/dog", "bob", True),
        ("o?/x", "oo/x", "ann", True),
    ],
)
def test_repositories_are_allowed_by_glob_and_key(
    rules: str, name: str, key_name: str | None, allowed: bool
) -> None:
    assert Settings(repos=parse_repo_rules(rules)).repo_allowed(name, key_name) is allowed


def test_without_rules_every_repository_is_allowed() -> None:
    assert Settings().repo_allowed("any/thing", "local")
    assert Settings().repo_globs("local") == ("*",)


def test_a_key_is_told_its_own_globs() -> None:
    settings = Settings(repos=parse_repo_rules("octo/*,ann=a/b,bob=*"))
    assert settings.repo_globs("ann") == ("octo/*", "a/b")
    assert settings.repo_globs("bob") == ("octo/*", "*")


def test_a_glob_does_not_reach_over_the_slash() -> None:
    assert not RepoRule("o*/x").allows("other/y/x", None)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_on_loopback_nothing_need_be_set(host: str) -> None:
    Settings().served_on(host)
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "example.com"])
def test_elsewhere_keys_and_repositories_must_be_set(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(SettingsError) as caught:
        Settings().served_on(host)
    assert "CODING_AGENT_API_KEYS" in str(caught.value)
    assert "CODING_AGENT_REPOS" in str(caught.value)
    keys = parse_api_keys(KEY)
    with pytest.raises(SettingsError, match="CODING_AGENT_REPOS must be set"):
        Settings(api_keys=keys).served_on(host)
    Settings(api_keys=keys, repos=parse_repo_rules("octo/*")).served_on(host)


def test_set_up_reaches_hosts_by_itself_only_where_no_others_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys: dict[str, Any] = {"api_keys": parse_api_keys(KEY), "repos": parse_repo_rules("octo/*")}
    settings = Settings(**keys)
    assert settings.hosts_of_setup == settings.served_on("127.0.0.1").hosts_of_setup == ("auto",)
    assert settings.served_on("0.0.0.0").hosts_of_setup == ()
    assert Settings(sandbox="modal").hosts_of_setup == ()
    said = Settings(**keys, setup_hosts="auto,a.example:8443")
    assert said.served_on("0.0.0.0").hosts_of_setup == ("auto", "a.example:8443")
    monkeypatch.setenv("CODING_AGENT_SETUP_HOSTS", "none")
    assert read_settings(None).hosts_of_setup == ()


def test_variables_of_set_up_leave_the_environment_and_are_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CODING_AGENT_SETUP_SECRETS", "Octo/App=INDEX_TOKEN,octo/b=ABSENT")
    monkeypatch.setenv("INDEX_TOKEN", "of-the-index-0123")
    assert deployed_environment("run")["INDEX_TOKEN"] == "of-the-index-0123"
    assert "INDEX_TOKEN" not in deployed_environment("coder")
    settings = load_settings()
    found = [(secret.repo, secret.name, secret.value) for secret in settings.setup_secrets]
    assert found == [
        ("octo/app", "INDEX_TOKEN", SecretStr("of-the-index-0123")),
        ("octo/b", "ABSENT", None),
    ]
    assert "INDEX_TOKEN" not in os.environ
    assert SecretStr("of-the-index-0123") in settings.secrets


@pytest.mark.parametrize(
    "given",
    [
        "octo=NAME",
        "octo/app",
        "octo/app=PATH",
        "octo/app=GITHUB_TOKEN",
        "o/a=LD_PRELOAD",
        "o/a=A B",
    ],
)
def test_variables_that_set_up_must_not_have_are_refused(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODING_AGENT_SETUP_SECRETS", given)
    with pytest.raises(SettingsError, match="CODING_AGENT_SETUP_SECRETS"):
        read_settings(None)


FUNCTIONS = (
    *(*ROLE_NAMES, "run", "triggers", "api", "janitor"),
    *("try_claude", "try_github", "list_repositories"),
)
OF_ONE_MACHINE = {
    *("CODING_AGENT_DATA_DIR", "CODING_AGENT_SANDBOX", "CODING_AGENT_TOOL_PATHS", "DOCKER_HOST"),
    *("CODING_AGENT_SERVER", "CODING_AGENT_API_KEY", "CODING_AGENT_NETWORK", "AWS_PROFILE"),
    "CODING_AGENT_SIGNING_KEY_FILE",
    "CODING_AGENT_GITHUB_APP_KEY_FILE",
}
SECRETS = {
    "ANTHROPIC_API_KEY": set[str](),
    "GITHUB_TOKEN": set[str](),
    "CODING_AGENT_GITHUB_APP_ID": set[str](),
    "CODING_AGENT_GITHUB_APP_KEY": set[str](),
    "CODING_AGENT_GITHUB_WEBHOOK_SECRETS": {"api"},
    "CODING_AGENT_API_KEYS": {"api"},
    "OTEL_EXPORTER_OTLP_HEADERS": {"run"},
    "CODING_AGENT_DATABASE_URL": {"api", "run", "triggers", "janitor"},
    "CODING_AGENT_WEBHOOK_URL": set[str](),
    "CODING_AGENT_WEBHOOK_SECRET": set[str](),
    "CODING_AGENT_SLACK_WEBHOOK_URL": set[str](),
    "CODING_AGENT_SIGNING_KEY": {"run"},
    "ANTHROPIC_AWS_API_KEY": set[str](),
    "AWS_BEARER_TOKEN_BEDROCK": set[str](),
    "AWS_ACCESS_KEY_ID": set[str](),
    "AWS_SECRET_ACCESS_KEY": set[str](),
    "AWS_SESSION_TOKEN": set[str](),
}
"""Settings that are secrets, and the functions that get them beside the credentials of Modal."""


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_of_modal_gets_every_setting_that_is_no_secret(
    function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = {str(field.validation_alias): name for name, field in Settings.model_fields.items()}
    for variable in named:
        monkeypatch.setenv(variable, f"of {variable}")
    own = {name for name, holders in SECRETS.items() if function in holders}
    expected = (set(named) - OF_ONE_MACHINE - set(SECRETS)) | own
    assert deployed_environment(function) == {name: f"of {name}" for name in expected}


def test_the_run_of_modal_gets_the_signing_key_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("the key")
    monkeypatch.setenv("CODING_AGENT_SIGNING_KEY_FILE", str(tmp_path / "key"))
    assert deployed_environment("run")["CODING_AGENT_SIGNING_KEY"] == "the key"
    assert "CODING_AGENT_SIGNING_KEY" not in deployed_environment("coder")
    monkeypatch.setenv("CODING_AGENT_SIGNING_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match="CODING_AGENT_SIGNING_KEY_FILE"):
        deployed_environment("run")


def test_every_secret_is_known_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is typed as a secret leaves the environment, and is hidden in logs."""
    typed = {
        str(field.validation_alias): f"secret-{name}-of-24-characters".replace("_", "-")
        for name, field in Settings.model_fields.items()
        if "Secret" in repr(field.annotation) or "ApiKey" in repr(field.annotation)
    }
    typed |= {
        "CODING_AGENT_DATABASE_URL": "postgresql://host/runs",
        "CODING_AGENT_WEBHOOK_URL": "https://host.example/secret",
        "CODING_AGENT_WEBHOOK_SECRET": f"whsec_{'A' * 32}",
        "CODING_AGENT_SLACK_WEBHOOK_URL": "https://slack.example/secret",
    }
    for variable, secret in typed.items():
        monkeypatch.setenv(variable, secret)
    monkeypatch.setenv("CODING_AGENT_GITHUB_APP_ID", "12345")
    monkeypatch.setenv("CODING_AGENT_PROVIDER", "bedrock")
    settings = load_settings()
    assert {secret.get_secret_value() for secret in settings.secrets if secret} == {*typed.values()}
    assert not set(typed) & set(os.environ)


def test_keys_of_an_aws_account_stay_where_it_is_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A program that opens the graph may need them for itself."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    assert SecretStr(KEY) in load_settings().secrets
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == KEY


@pytest.mark.parametrize(
    ("name", "kind", "model"),
    [
        ("anthropic", AnthropicProvider, "claude-opus-5-5"),
        ("aws", AwsProvider, "claude-opus-5-5"),
        ("bedrock", BedrockProvider, "anthropic.claude-opus-5-5"),
        ("vertex", VertexProvider, "claude-opus-5-5"),
    ],
)
def test_a_provider_is_made_of_its_settings(
    name: str, kind: type[Provider], model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODING_AGENT_PROVIDER", name)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    provider = Configuration(read_settings(None), "1").provider()
    assert isinstance(provider, kind)
    assert provider.model_id("claude-opus-5-5") == model
    if isinstance(provider, AwsProvider | BedrockProvider):
        assert provider.region == "eu-west-1"


def test_efforts_by_role(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(read_settings(None).role_efforts.values()) == {None}
    monkeypatch.setenv("CODING_AGENT_EFFORT", "low")
    monkeypatch.setenv("CODING_AGENT_EFFORT_REVIEWER", "max")
    efforts = read_settings(None).role_efforts
    assert (efforts["coder"], efforts["reviewer"]) == ("low", "max")
    monkeypatch.setenv("CODING_AGENT_EFFORT", "hard")
    with pytest.raises(SettingsError, match="CODING_AGENT_EFFORT"):
        read_settings(None)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CODING_AGENT_WEBHOOK_URL", "http://elsewhere.example/hook"),
        ("CODING_AGENT_WEBHOOK_URL", "https://elsewhere.example/hook"),
        ("CODING_AGENT_WEBHOOK_SECRET", "whsec_short"),
        ("CODING_AGENT_SLACK_WEBHOOK_URL", "file:///etc/passwd"),
    ],
)
def test_a_webhook_is_one_that_can_be_told_and_signed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match="CODING_AGENT_"):
        read_settings(None)


def test_spaces_and_line_ends_around_a_value_are_none_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a file that holds a value often ends with one."""
    given_values = {
        "ANTHROPIC_BASE_URL": " https://gateway.example/claude/\r\n",
        "GITHUB_API_URL": "https://git.example/api/v3/\n",
        "CODING_AGENT_SERVER": "\thttps://agent.example\n",
        "AWS_REGION": "eu-west-1\n",
        "ANTHROPIC_API_KEY": f" {KEY}\n",
    }
    for name, value in given_values.items():
        monkeypatch.setenv(name, value)
    settings = read_settings(None)
    assert settings.anthropic_base_url == "https://gateway.example/claude"
    assert settings.github_api_url == "https://git.example/api/v3"
    assert settings.server == "https://agent.example"
    assert settings.aws_region == "eu-west-1"
    assert settings.anthropic_api_key
    assert settings.anthropic_api_key.get_secret_value() == KEY
