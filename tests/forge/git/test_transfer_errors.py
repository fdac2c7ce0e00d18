"""What git says when a transfer fails: what is tried again, and what is an error with its code."""

import pytest

from forge.core.retry import TransientError
from forge.git.command import GitResult
from forge.git.transfer_errors import transfer_error


def failed(stderr: str, over: str = "") -> GitResult:
    return GitResult("clone", 128, b"", stderr, over)


@pytest.mark.parametrize(
    "said",
    [
        "fatal: unable to access 'https://h/': Operation too slow. Less than 1000 bytes/sec",
        "fatal: unable to access 'https://h/': Operation timed out after 60000 milliseconds",
        "error: RPC failed; curl 18 transfer closed with outstanding read data remaining",
        "fatal: early EOF\nfatal: fetch-pack: invalid index-pack output",
        "fatal: the remote end hung up unexpectedly",
        "fatal: unable to access 'https://h/': Could not resolve host: h",
        "fatal: unable to access 'https://h/': The requested URL returned error: 503",
        "fatal: unable to access 'https://h/': The requested URL returned error: 429",
        "fatal: unable to access 'https://h/': CONNECT tunnel failed, response 503",
        "fatal: unable to access 'https://h/': Proxy CONNECT aborted",
    ],
)
def test_what_may_go_right_later_is_tried_again(said: str) -> None:
    error = transfer_error(failed(said), "o/r")
    assert isinstance(error, TransientError)
    assert error.error.code == "github_unavailable"


@pytest.mark.parametrize(
    ("said", "over", "code"),
    [
        ("", "no end after 600 s", "repo_too_large"),
        ("error: index-pack died of signal 25", "", "repo_too_large"),
        ("fatal: Out of memory, malloc failed", "", "repo_too_large"),
        ("fatal: write error: No space left on device", "", "store_full"),
        ("error: unable to write file x: Disk quota exceeded", "", "store_full"),
        ("fatal: write error: No space left on device\nfatal: early EOF", "", "store_full"),
        ("fatal: The requested URL returned error: 401", "", "github_unauthorized"),
        ("fatal: The requested URL returned error: 403", "", "github_forbidden"),
        ("fatal: repository 'https://h/o/r.git/' not found", "", "repository_not_found"),
        ("fatal: The requested URL returned error: 407", "", "github_unavailable"),
        ("fatal: CONNECT tunnel failed, response 407", "", "github_unavailable"),
        ("fatal: Received HTTP code 403 from proxy after CONNECT", "", "github_unavailable"),
        ("fatal: something new", "", "git_failed"),
    ],
)
def test_what_will_not_has_its_code_and_a_hint(said: str, over: str, code: str) -> None:
    error = transfer_error(failed(said, over), "o/r")
    assert not isinstance(error, TransientError)
    assert error.code == code
    assert error.hint


FORBIDDEN = "fatal: unable to access 'https://h/o/r.git/': The requested URL returned error: 403"


@pytest.mark.parametrize(
    ("said", "code", "message", "hint"),
    [
        ("Permission to o/r.git denied to u.", "github_forbidden", "denied to u", "Contents"),
        (
            "The 'acme' organization has enabled SAML SSO. Visit https://h/orgs/acme/sso?a=b",
            "github_forbidden",
            "SAML SSO",
            "https://h/orgs/acme/sso?a=b",
        ),
        ("This repository was archived.", "repository_archived", "archived", "Unarchive"),
    ],
)
def test_what_the_forge_says_of_a_403_is_told(
    said: str, code: str, message: str, hint: str
) -> None:
    error = transfer_error(failed(f"remote: {said}\n{FORBIDDEN}"), "o/r")
    assert not isinstance(error, TransientError)
    assert error.code == code
    assert message in error.message
    assert hint in error.hint
