"""The address of GitHub's API: where repositories lie follows from it."""

import pytest

from forge.github.api_address import web_address
from graph.errors import InvalidRequest


@pytest.mark.parametrize(
    ("api_url", "web"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://api.github.com/", "https://github.com"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com"),
        ("https://git.acme.org/api/v3", "https://git.acme.org"),
        ("https://git.acme.org:8443/api/v3/", "https://git.acme.org:8443"),
        ("http://127.0.0.1:8080/api/v3", "http://127.0.0.1:8080"),
        ("http://localhost:8080/api/v3", "http://localhost:8080"),
        ("http://[::1]:8080/api/v3", "http://[::1]:8080"),
    ],
)
def test_the_repositories_address_follows_from_the_apis(api_url: str, web: str) -> None:
    assert web_address(api_url) == web


@pytest.mark.parametrize(
    "api_url",
    [
        "",
        "api.github.com",
        "ftp://api.github.com",
        "http://api.github.com",
        "http://git.acme.org/api/v3",
        "http://127.0.0.1.example.org/api/v3",
        "https://github.com",
        "https://git.acme.org/api/v4",
        "https://user:secret@api.github.com",
        "https://api.github.com?x=1",
        "https://api.github.com#x",
        "https://git.acme.org:port/api/v3",
        "https:///api/v3",
        "file:///api/v3",
    ],
)
def test_another_api_address_is_refused_without_being_shown(api_url: str) -> None:
    with pytest.raises(InvalidRequest, match="GITHUB_API_URL") as refused:
        web_address(api_url)
    assert "secret" not in refused.value.message
