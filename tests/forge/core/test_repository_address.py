"""Addresses: what passes names a repository below the configured address, and nothing else."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge.core.repository_address import is_loopback, parse
from graph.errors import InvalidRepoUrl

WEB = "https://github.com"


@pytest.mark.parametrize(
    ("text", "full_name"),
    [
        (f"{WEB}/octocat/hello", "octocat/hello"),
        (f"{WEB}/octocat/hello.git", "octocat/hello"),
        (f"{WEB}/octo_corp/.github", "octo_corp/.github"),
        (f"{WEB}/a/b.c_d-e", "a/b.c_d-e"),
        ("HTTPS://GitHub.com/Octocat/Hello", "Octocat/Hello"),
        (f"{WEB}/octocat/hello/", "octocat/hello"),
        (f"{WEB}/octocat/hello.git/", "octocat/hello"),
        ("octocat/hello", "octocat/hello"),
        ("octocat/hello.git", "octocat/hello"),
        ("octocat/hello/", "octocat/hello"),
    ],
)
def test_a_repository_is_named_by_owner_and_name(text: str, full_name: str) -> None:
    address = parse(text, WEB, allow_local=False)
    assert address.full_name == full_name
    assert address.address == f"{WEB}/{full_name}"
    assert address.clone_url == f"{WEB}/{full_name}.git"
    assert address.local is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "octocat",
        "octocat/",
        "/hello",
        "octocat//hello",
        "octocat/hello//",
        "octocat/..",
        "-octocat/hello",
        "github.com/octocat/hello",
        "http://github.com/octocat/hello",
        "git://github.com/octocat/hello",
        "ssh://git@github.com/octocat/hello",
        "git@github.com:octocat/hello.git",
        "ext::sh -c id",
        "file:///etc",
        "https://gitlab.com/octocat/hello",
        "https://github.com.evil.org/octocat/hello",
        "https://github.com:443/octocat/hello",
        "https://140.82.121.4/octocat/hello",
        "https://user@github.com/octocat/hello",
        "https://user:pass@github.com/octocat/hello",
        f"{WEB}//octocat/hello",
        f"{WEB}/octocat",
        f"{WEB}/octocat/",
        f"{WEB}/octocat/hello//",
        f"{WEB}/octocat/hello/tree/main",
        f"{WEB}/octocat/hello?x=1",
        f"{WEB}/octocat/hello#x",
        f"{WEB}/octocat/hello.git.git",
        f"{WEB}/octocat/hello.GIT",
        f"{WEB}/octocat/.git",
        f"{WEB}/octocat/..",
        f"{WEB}/octocat/.",
        f"{WEB}/../hello",
        f"{WEB}/-octocat/hello",
        f"{WEB}/octocat/--upload-pack=id",
        f"{WEB}/octocat/hel lo",
        f"{WEB}/octocat/hello\n",
        f"{WEB}/octocat/hello\x00",
        f"{WEB}/octocat/h%65llo",
        f"{WEB}/octöcat/hello",
        f"{WEB}/octocat/" + "x" * 101,
        f" {WEB}/octocat/hello",
        "/srv/repository",
        "./repository",
        "~/repository",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidRepoUrl):
        parse(text, WEB, allow_local=False)


def test_a_password_in_an_address_is_not_told() -> None:
    with pytest.raises(InvalidRepoUrl) as refused:
        parse("https://me:hunter2@github.com/a/b", WEB, allow_local=False)
    assert "hunter2" not in refused.value.message + refused.value.hint


@given(st.text())
def test_whatever_passes_is_below_the_address(text: str) -> None:
    for candidate in (text, f"{WEB}/{text}", f"{WEB}/a/{text}", f"a/{text}"):
        try:
            address = parse(candidate, WEB, allow_local=False)
        except InvalidRepoUrl:
            continue
        parts = urlsplit(address.clone_url)
        assert (parts.scheme, parts.netloc) == ("https", "github.com")
        assert (parts.query, parts.fragment) == ("", "")
        assert address.clone_url.isascii()
        assert not address.owner.startswith("-")
        assert not address.name.startswith("-")
        assert address.name not in (".", "..")


@given(
    st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9-]{0,38}\Z"),
    st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_-]{0,40}\Z"),
    st.booleans(),
)
def test_usual_names_pass(owner: str, name: str, suffix: bool) -> None:
    text = f"{WEB}/{owner}/{name}" + (".git" if suffix else "")
    assert parse(text, WEB, allow_local=False).full_name == f"{owner}/{name}"


def test_the_port_of_a_loopback_counts() -> None:
    web = "http://127.0.0.1:8080"
    assert parse(f"{web}/a/b", web, allow_local=False).address == f"{web}/a/b"
    for other in (
        "http://127.0.0.1:8081/a/b",
        "http://127.0.0.1/a/b",
        "https://127.0.0.1:8080/a/b",
    ):
        with pytest.raises(InvalidRepoUrl):
            parse(other, web, allow_local=False)


@pytest.mark.parametrize("text", ["/srv/my project", "./x", "../x", ".", "..", "~/x"])
def test_a_path_is_a_checkout_where_those_are_allowed(text: str) -> None:
    address = parse(text, WEB, allow_local=True)
    assert address.local is not None
    assert address.local.is_absolute()
    assert address.address == str(address.local)
    assert address.full_name == address.local.name


@pytest.mark.parametrize(
    "text", ["/srv/x\x00", "/srv/x\ny", "srv/x/y", "x", "-x", "file:///x", "~root"]
)
def test_an_odd_path_is_refused_even_then(text: str) -> None:
    with pytest.raises(InvalidRepoUrl, match="below"):
        parse(text, WEB, allow_local=True)


def test_a_home_is_filled_in() -> None:
    assert parse("~/x", WEB, allow_local=True).local == Path.home() / "x"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *((host, True) for host in ("localhost", "127.0.0.1", "::1", "127.8.8.8")),
        *((host, False) for host in ("0.0.0.0", "example.org", "localhost.example.org", "")),
    ],
)
def test_a_loopback_is_known(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
