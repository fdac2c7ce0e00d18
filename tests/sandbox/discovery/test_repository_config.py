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
