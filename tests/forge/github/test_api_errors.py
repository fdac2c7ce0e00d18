"""The map from what GitHub and its client library can fail with to our errors is total."""

import inspect
import json
import time
from typing import Any

import github
import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from forge.core.retry import TransientError, Unprocessable
from forge.github.api_errors import SECONDARY_WAIT_S, ApiError
from forge.github.client import GitHub
from graph.errors import (
    BranchNotFound,
    CodingAgentError,
    ForgeForbidden,
    ForgeRateLimited,
    ForgeRejected,
    ForgeUnauthorized,
    ForgeUnavailable,
    RepositoryArchived,
    RepositoryNotFound,
)
from tests.standins.github import TOKEN


def client() -> GitHub:
    return GitHub(api_url="http://127.0.0.1:9/api/v3", token=SecretStr(TOKEN))


def classes_of(module: Any) -> list[type[Exception]]:
    found = [value for _, value in inspect.getmembers(module, inspect.isclass)]
    return [value for value in found if issubclass(value, Exception)]


def made(kind: type[Exception]) -> Exception:
    """An error of this class, however its constructor wants to be called."""
    if issubclass(kind, github.GithubException):
        return kind(418, {"message": TOKEN}, {})
    for arguments in ((TOKEN,), (TOKEN, "doc", 0), (None, None, TOKEN), (TOKEN, str, None)):
        try:
            return kind(*arguments)
        except TypeError:
            continue
    raise AssertionError(kind)


FOREIGN: list[type[Exception]] = [
    *(kind for kind in classes_of(github) if not issubclass(kind, Warning)),
    *(kind for kind in classes_of(requests.exceptions) if not issubclass(kind, Warning)),
    *(urllib3.exceptions.LocationParseError, urllib3.exceptions.LocationValueError),
    *(OSError, TimeoutError, ConnectionResetError, ValueError, UnicodeError, json.JSONDecodeError),
    *(AssertionError, RuntimeError, TypeError, AttributeError, KeyError, IndexError),
]


@pytest.mark.parametrize("kind", sorted(set(FOREIGN), key=repr))
def test_every_foreign_error_becomes_ours(kind: type[Exception]) -> None:
    def call(_: github.Github) -> None:
        raise made(kind)

    with pytest.raises((CodingAgentError, TransientError, Unprocessable)) as raised:
        client()._call("the account", call, None, "")
    error = raised.value
    ours = error.error if isinstance(error, TransientError | Unprocessable) else error
    assert isinstance(ours, CodingAgentError)
    assert type(ours).code != "internal"
    assert TOKEN not in f"{ours.message} {ours.hint} {error}"
    assert error.__suppress_context__


def test_our_own_mistakes_are_not_mapped() -> None:
    def call(_: github.Github) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        client()._call("the account", call, None, "")


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (400, "Bad Request", ForgeRejected),
        (401, "Bad credentials", ForgeUnauthorized),
        (403, "Resource not accessible by personal access token", ForgeForbidden),
        (403, "Repository was archived so is read-only.", RepositoryArchived),
        (404, "Not Found", RepositoryNotFound),
        (409, "Conflict", ForgeRejected),
        (410, "Issues are disabled", ForgeRejected),
        (422, "Validation Failed", ForgeRejected),
        (451, "Unavailable for legal reasons", ForgeRejected),
        (500, "Server Error", ForgeUnavailable),
        (503, "", ForgeUnavailable),
    ],
)
def test_a_status_has_its_error(status: int, message: str, error: type[CodingAgentError]) -> None:
    refusal = ApiError.read(status, {"message": message}, {}, limited=False)
    assert type(refusal.error("a thing")) is error
    assert refusal.transient is (status >= 500)


def test_a_base_that_is_gone_is_named() -> None:
    data = {"message": "Validation Failed", "errors": [{"field": "base", "code": "invalid"}]}
    refusal = ApiError.read(422, data, None, limited=False)
    error = refusal.error("a pull request")
    assert isinstance(error, BranchNotFound)
    assert "Restore the branch" in error.hint
    assert refusal.fields == ("base",)


SSO = "https://github.com/orgs/acme/sso?authorization_request=A1b2"


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        ([{"code": "custom", "message": "No commits between main and x"}], "No commits between"),
        ([{"field": "head", "code": "invalid"}], "head is invalid"),
        (["body is too long"], "body is too long"),
        ("Could not add the label", "Could not add the label"),
        ([{"message": "one"}, {"message": "two"}], "one; two"),
    ],
)
def test_the_reason_of_a_422_is_told(errors: Any, reason: str) -> None:
    data = {"message": "Validation Failed", "errors": errors}
    error = ApiError.read(422, data, None, limited=False).error("a pull request")
    assert error.message.startswith("GitHub refused a pull request (422): Validation Failed: ")
    assert reason in error.message


@pytest.mark.parametrize(
    ("message", "headers", "hint"),
    [
        ("Resource protected by SAML", {"X-GitHub-SSO": f"required; url={SSO}"}, f"at {SSO}, then"),
        (
            "Resource not accessible by personal access token",
            {"X-Accepted-GitHub-Permissions": "pull_requests=write"},
            "pull_requests=write",
        ),
        (
            "Must have push access",
            {"X-OAuth-Scopes": "", "X-Accepted-OAuth-Scopes": "repo, public_repo"},
            "repo, public_repo",
        ),
        (
            "GitHub Actions is not permitted to create or approve pull requests.",
            {},
            "Allow GitHub Actions to create pull requests",
        ),
        ("your IP allow list does not permit it", {}, "this machine's address"),
        ("No", {"X-GitHub-SSO": "required; url=javascript:alert(1)"}, "Contents and Pull requests"),
    ],
)
def test_a_hint_fits_its_answer(message: str, headers: dict[str, str], hint: str) -> None:
    error = ApiError.read(403, {"message": message}, headers, limited=False).error("a thing")
    assert isinstance(error, ForgeForbidden)
    assert hint in error.hint


@pytest.mark.parametrize(
    ("status", "headers", "limited", "wait"),
    [
        (403, {"Retry-After": "7"}, False, 7),
        (429, {"retry-after": "0"}, False, 0),
        (429, {}, False, SECONDARY_WAIT_S),
        (403, {}, True, SECONDARY_WAIT_S),
        (403, {}, False, None),
        (403, {"Retry-After": "soon"}, False, None),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, False, 1),
        (403, {"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": "1"}, False, None),
        (404, {"Retry-After": "7"}, False, None),
        (503, {"Retry-After": "7"}, False, None),
    ],
)
def test_a_rate_limit_says_how_long(
    status: int,
    headers: dict[str, str],
    limited: bool,
    wait: float | None,
) -> None:
    refusal = ApiError.read(status, {"message": "x"}, headers, limited=limited)
    assert refusal.wait_s == wait
    if wait is not None:
        assert isinstance(refusal.error("a thing"), ForgeRateLimited)
        assert refusal.transient


def test_the_primary_limit_lasts_until_its_reset() -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 100)}
    wait = ApiError.read(403, {}, headers, limited=True).wait_s
    assert wait is not None
    assert 99 < wait <= 101


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
bodies = json_values | st.fixed_dictionaries({"message": json_values, "errors": json_values})


@given(st.integers(300, 599), bodies, st.dictionaries(st.text(), st.text()), st.booleans())
def test_whatever_github_sends_is_read(
    status: int,
    data: Any,
    headers: dict[str, str],
    limited: bool,
) -> None:
    refusal = ApiError.read(status, data, headers, limited=limited)
    error = refusal.error("a thing")
    assert "\n" not in error.message
    assert len(error.message) < 500
    assert refusal.reason
