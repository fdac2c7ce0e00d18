"""What a repository says of itself in `.coding-agent.toml`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.discovery.repository_config import RepositoryConfig, read_config


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", RepositoryConfig()),
        ("# nothing\n", RepositoryConfig()),
        ("setup = ['a', 'b']\n", RepositoryConfig(setup=("a", "b"))),
        ("validate = ['make it']\r\n", RepositoryConfig(validate=("make it",))),
        ("validate = []\n", RepositoryConfig(validate=())),
        ("setup = []\nvalidate = ['''a\nb''']\n", RepositoryConfig((), ("a\nb",))),
    ],
)
def test_commands_are_read(text: str, settings: RepositoryConfig) -> None:
    assert read_config(text) == settings


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("setup = [", "left out: it is not TOML"),
        ("setup = ['a']\nsetup = ['b']", "left out: it is not TOML"),
        ("\x00", "left out: it is not TOML"),
        ("a = " + "[" * 5000, "left out: it is not TOML"),
        ("setup = 'make'", "`setup` is left out: it must be a list"),
        ("setup = ['a', 1]", "`setup` is left out"),
        ("setup = ['a', ' ']", "`setup` is left out"),
        ('setup = ["a\\u0000"]', "`setup` is left out"),
        (f"setup = ['{'x' * 5000}']", "`setup` is left out"),
        (f"setup = {['a'] * 21}", "`setup` is left out"),
        ("[setup]\na = 1", "`setup` is left out"),
        ("[[setup]]\na = 1", "`setup` is left out"),
        ("validation = ['x']", "`validation` is no setting"),
        ('"a\\n`b\\u202e" = 1', "`a\\n`b\\u202e` is no setting"),
    ],
)
def test_what_cannot_be_used_is_told_and_left_out(text: str, part: str) -> None:
    settings = read_config(text)
    assert (settings.setup, settings.validate) == (None, None)
    (note,) = settings.notes
    assert part in note
    assert note.startswith("`.coding-agent.toml`")
    assert len(note) < 400


def test_one_bad_setting_does_not_take_the_other_along() -> None:
    settings = read_config("setup = 1\nvalidate = ['x']\nmore = 1\n")
    assert settings.validate == ("x",)
    assert len(settings.notes) == 2


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert read_config(text).setup is None


@given(st.dictionaries(st.text("abc"), st.integers(), min_size=10))
def test_not_too_much_is_told(table: dict[str, int]) -> None:
    text = "\n".join(f'"{key}" = {value}' for key, value in table.items())
    assert len(read_config(text).notes) == 5


def test_variables_are_read() -> None:
    config = read_config('[env]\nAPP_ENV = "test"\nEMPTY = ""\n')
    assert config == RepositoryConfig(variables={"APP_ENV": "test", "EMPTY": ""})


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "HOME", "BASH_ENV", "LD_PRELOAD", "PYTHONPATH", "PYTHONSTARTUP", "GIT_DIR"),
        *("git_dir", "NODE_OPTIONS", "HTTPS_PROXY", "no_proxy", "UV_INDEX_URL", "PIP_INDEX_URL"),
        *("npm_config_registry", "CODING_AGENT_API_KEYS", "ANTHROPIC_API_KEY", "GITHUB_TOKEN"),
        *("SSL_CERT_FILE", "VIRTUAL_ENV", "IFS", "DYLD_INSERT_LIBRARIES"),
    ],
)
def test_variables_that_steer_programs_are_refused_by_name(name: str) -> None:
    config = read_config(f'[env]\n{name} = "x"\nAPP = "y"\n')
    assert config.variables == {"APP": "y"}
    assert config.notes == (f"`.coding-agent.toml`: `env` may not set `{name}`: left out.",)


@pytest.mark.parametrize(
    "text",
    [
        "env = 1",
        "env = {A = 1}",
        'env = {"A B" = "x"}',
        'env = {"A=B" = "x"}',
        'env = {"1A" = "x"}',
        'env = {A = "a\\u0000"}',
        f"env = {{A = '{'x' * 5000}'}}",
        "[env]\n" + "".join(f"A{n} = ''\n" for n in range(51)),
        "services = 'postgres'",
        "services = ['mysql']",
        "services = [{command = 'x'}]",
        "services = [{command = ' ', port = 8000}]",
        "services = [{command = 'x', port = 80}]",
        "services = [{command = 'x', port = true}]",
        "services = [{command = 'x', port = 70000}]",
        "services = [{command = 'x', port = 8000, image = 'y'}]",
        f"services = {['redis'] * 9}",
    ],
)
def test_what_is_declared_wrongly_is_told_and_left_out(text: str) -> None:
    config = read_config(text)
    assert (config.variables, config.services) == ({}, ())
    (note,) = config.notes
    assert "left out" in note
    assert len(note) < 400


def test_services_are_read_with_what_tells_of_them() -> None:
    text = """\
services = ["postgres", "redis", {command = "./serve", port = 8000}, {command = "x", port = 6379}]
env = {PGDATABASE = "app"}
"""
    config = read_config(text)
    ports = [(service.name, service.port) for service in config.services]
    assert ports == [("postgres", 5432), ("redis", 6379), ("port-8000", 8000)]
    assert config.services[2].command == "./serve"
    assert config.variables["PGDATABASE"] == "app"
    assert config.variables["REDIS_URL"] == "redis://127.0.0.1:6379/0"
    assert config.variables["DATABASE_URL"].startswith("postgresql://")
    assert config.notes == ("`.coding-agent.toml`: `services`: port 6379 is asked for twice.",)


@pytest.mark.parametrize("image", ["python:3.13", "ghcr.io/a/b@sha256:0f", "localhost:5000/x"])
def test_an_image_is_read(image: str) -> None:
    assert read_config(f'image = "{image}"') == RepositoryConfig(image=image)


@pytest.mark.parametrize("image", ["1", '"--privileged"', '"a b"', '"${x}"', '"-v/:/x"'])
def test_what_is_no_image_is_told_and_left_out(image: str) -> None:
    config = read_config(f"image = {image}")
    assert config.image == ""
    assert "`image` is left out" in config.notes[0]
