"""What a refused push says, as errors and findings."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge.github.push_rejection import explain_push_rejection
from graph.errors import PushBlocked, PushRejected

HOOK = "[remote rejected] (pre-receive hook declined)"
LARGE = """\
error: Trace: 0123
error: See https://gh.io/lfs for more information.
error: File data/big one.bin is 123.45 MB; this exceeds GitHub's file size limit of 100.00 MB
error: File b.bin is 2.00 GB; this exceeds GitHub's file size limit of 100.00 MB
error: GH001: Large files detected. You may want to try Git Large File Storage."""
SECRET = """\
error: GH013: Repository rule violations found for refs/heads/agent/x-1.

- GITHUB PUSH PROTECTION
  ———————————————————————————————————————
    Resolve the following violations before pushing again

    - Push cannot contain secrets

      —— Example Access Token ————————————
       locations:
         - commit: 8728dbe67
           path: README.md:4
         - commit: 8728dbe67
           path: src/a b.py:17

      —— Other Key ———————————————————————
       locations:
         - commit: 8728dbe67
           path: keys.txt"""
RULE = """\
error: GH013: Repository rule violations found for refs/heads/agent/x-1.

- Cannot create ref due to creations being restricted."""


def found(reason: str, said: str) -> list[tuple[str, str, int | None]]:
    error = explain_push_rejection("octo/sample", reason, said)
    assert isinstance(error, PushBlocked)
    assert error.hint
    assert all(finding.severity == "error" for finding in error.findings)
    return [(finding.rule, finding.path, finding.line) for finding in error.findings]


def test_each_large_file_is_named_with_its_size() -> None:
    assert found(HOOK, LARGE) == [
        ("file_size", "data/big one.bin", None),
        ("file_size", "b.bin", None),
    ]
    error = explain_push_rejection("octo/sample", HOOK, LARGE)
    assert isinstance(error, PushBlocked)
    assert "123.45 MB" in error.findings[0].message


def test_each_place_of_a_secret_is_named_with_its_kind() -> None:
    assert found(HOOK, SECRET) == [
        ("push_protection", "README.md", 4),
        ("push_protection", "src/a b.py", 17),
        ("push_protection", "keys.txt", None),
    ]
    error = explain_push_rejection("octo/sample", HOOK, SECRET)
    assert isinstance(error, PushBlocked)
    assert [finding.message for finding in error.findings] == [
        "holds Example Access Token",
        "holds Example Access Token",
        "holds Other Key",
    ]


@pytest.mark.parametrize(
    ("whom", "right"),
    [
        ("a Personal Access Token", "`workflow` scope"),
        ("an OAuth App", "`workflow` scope"),
        ("a GitHub App", "`workflows` permission"),
    ],
)
def test_a_missing_right_to_workflows_names_the_file(whom: str, right: str) -> None:
    what = "create or update workflow `.github/workflows/ci.yml`"
    reason = f"[remote rejected] (refusing to allow {whom} to {what} without {right})"
    assert found(reason, "") == [("workflows", ".github/workflows/ci.yml", None)]
    assert "workflow scope" in explain_push_rejection("octo/sample", reason, "").hint


def test_without_details_there_is_still_a_finding() -> None:
    assert found(HOOK, "error: GH001: Large files detected.") == [("file_size", "", None)]
    assert found(HOOK, "- Push cannot contain secrets") == [("push_protection", "", None)]


@pytest.mark.parametrize(
    ("reason", "said", "hint"),
    [
        ("[remote rejected] (protected branch hook declined)", "error: GH006: no", "protected"),
        (HOOK, RULE, "agent/*"),
        (HOOK, "error: GH007: your push would publish a private email", "GIT_AUTHOR"),
        ("[rejected] (fetch first)", "", "never overwritten"),
        ("[remote rejected] (shallow update not allowed)", "", "start a new run"),
        (HOOK, "", "rules and hooks"),
    ],
)
def test_a_rule_about_branches_is_no_fault_of_the_change(reason: str, said: str, hint: str) -> None:
    error = explain_push_rejection("octo/sample", reason, said)
    assert type(error) is PushRejected
    assert hint in error.hint


@pytest.mark.parametrize(
    ("sentence", "hint"),
    [
        ("Commits must have verified signatures.", "not signed"),
        ("Cannot create ref due to creations being restricted.", "lets nobody make"),
        ('Required status check "ci" is expected.', "wants checks"),
        ("Changes must be made through a pull request.", "to the branch itself"),
        ("Commit author email must match a given pattern.", "CODING_AGENT_GIT_AUTHOR"),
        ("Commit message must start with a given pattern.", "give the request a title"),
        ("Branch name must match a given regex pattern.", "other names"),
        ("Something new.", "A rule of the repository"),
    ],
)
def test_a_rules_own_sentence_is_told_with_what_mends_it(sentence: str, hint: str) -> None:
    said = f"error: GH013: Repository rule violations found for refs/heads/x.\n\n- {sentence}"
    error = explain_push_rejection("octo/sample", HOOK, said)
    assert error.message.startswith(f"octo/sample refused the push: {sentence}\n")
    assert hint in error.hint


def test_findings_survive_being_sent_on() -> None:
    error = explain_push_rejection("octo/sample", HOOK, SECRET)
    assert isinstance(error, PushBlocked)
    again = pickle.loads(pickle.dumps(error))
    assert (again.message, again.hint, again.findings) == (
        error.message,
        error.hint,
        error.findings,
    )


@given(st.text(max_size=300), st.text(max_size=2000))
def test_whatever_is_said_gives_an_error_of_bounded_size(reason: str, said: str) -> None:
    error = explain_push_rejection(
        "octo/sample", reason, f"error: GH013 GITHUB PUSH PROTECTION\n{said}"
    )
    assert isinstance(error, PushBlocked)
    assert 1 <= len(error.findings) <= 20
