"""What a workflow does with the branch and its pull request, told from the file alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge.core.forge import Target
from forge.github.branch_filter import takes_branch
from forge.github.workflow import explain_workflow

HERE = Target("agent/add-a-file-0123abcd", "main")
FORK = Target(HERE.branch, "main", fork=True)
PUSH = "runs at the push of the branch, before anyone has read it"
PULL = "runs for the pull request, with this repository's rights"
FORKS_PULL = (
    "runs for the pull request, as a fork's: without secrets, with a token that reads,"
    " of a first contribution once somebody approves it"
)
TARGET = "runs for the pull request as the base has it, with the base's secrets and token"
AFTER = "may run after another workflow, by the base's own code, secrets and token"
JOBS = "jobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: []\n"


def starts(text: str, target: Target = HERE) -> list[str]:
    return [
        part
        for part in explain_workflow(text.encode(), target).split("; ")
        if part.startswith(("runs", "may run"))
    ]


@pytest.mark.parametrize(
    ("on", "here", "fork"),
    [
        ("on: push", [PUSH], []),
        ("on: [push, pull_request]", [PUSH, PULL], [FORKS_PULL]),
        ("'on': {push: , workflow_dispatch: }", [PUSH], []),
        ("on: {push: {branches: [main]}}", [], []),
        ("on: {push: {branches: main}}", [], []),
        ("on: {push: {branches: ['agent/**']}}", [PUSH], []),
        ("on: {push: {branches: ['agent/*']}}", [PUSH], []),
        ("on: {push: {branches: ['*']}}", [], []),
        ("on: {push: {branches: ['**', '!agent/**']}}", [], []),
        ("on: {push: {branches: ['!agent/**', '**']}}", [PUSH], []),
        ("on: {push: {branches-ignore: ['agent/**']}}", [], []),
        ("on: {push: {branches-ignore: [main]}}", [PUSH], []),
        ("on: {push: {tags: ['v*']}}", [], []),
        ("on: {push: {tags: ['v*'], branches: ['**']}}", [PUSH], []),
        ("on: {push: {paths: ['src/**']}}", [PUSH], []),
        ("on: {pull_request: {branches: [main]}}", [PULL], [FORKS_PULL]),
        ("on: {pull_request: {branches: [release]}}", [], []),
        ("on: {pull_request: {types: [closed]}}", [], []),
        ("on: {pull_request: {types: [opened, closed]}}", [PULL], [FORKS_PULL]),
        ("on: pull_request_target", [TARGET], [TARGET]),
        ("on: {pull_request_target: {types: labeled}}", [TARGET], [TARGET]),
        ("on: create", ["runs when the branch is made, before anyone has read it"], []),
        ("on: [schedule, workflow_call, issue_comment]", [], []),
        ("on: {workflow_run: {workflows: [test], types: [completed]}}", [AFTER], [AFTER]),
        ("on: {push: {branches: ['a****b****c*d*e*f*g*h']}}", [PUSH], []),
        ("on: {push: {branches: ['[']}}", [], []),
        ("on: {push: {branches: ['?']}}", [PUSH], []),
        ("name: nothing", [], []),
        ("on: {push: {branches: {a: b}}}", [], []),
    ],
)
def test_what_starts_it(on: str, here: list[str], fork: list[str]) -> None:
    assert starts(f"{on}\n{JOBS}") == here
    assert starts(f"{on}\n{JOBS}", FORK) == fork


@pytest.mark.parametrize(
    ("text", "rights"),
    [
        ("", ["names no secret", "has a token with the repository's usual rights"]),
        ("permissions: {contents: read}\n", ["names no secret", "has a token that only reads"]),
        ("permissions: read-all\n", ["names no secret", "has a token that only reads"]),
        ("permissions: {}\n", ["names no secret", "has a token that only reads"]),
        (
            "permissions: write-all\n",
            ["names no secret", "has a token that may write everything"],
        ),
        (
            "permissions: {packages: write, contents: write, issues: read}\n",
            ["names no secret", "has a token that may write contents, packages"],
        ),
        (
            "env: {A: '${{ secrets.KEY }}', B: \"${{ secrets['NPM'] }}\"}\npermissions: {}\n",
            ["uses the secrets KEY, NPM", "has a token that only reads"],
        ),
        (
            "env: {A: '${{ toJSON(secrets) }}'}\npermissions: {}\n",
            ["has all secrets", "has a token that only reads"],
        ),
        (
            "env: {A: '${{ secrets.GITHUB_TOKEN }}'}\npermissions: {}\n",
            ["names no secret", "has a token that only reads"],
        ),
    ],
)
def test_by_whose_rights(text: str, rights: list[str]) -> None:
    assert explain_workflow(f"on: push\n{text}{JOBS}".encode(), HERE).split("; ")[1:] == rights


@pytest.mark.parametrize(
    "runs_on", ["self-hosted", "[self-hosted, linux]", "{group: big}", "{labels: [self-hosted]}"]
)
def test_our_own_machines_are_told(runs_on: str) -> None:
    text = f"on: push\njobs:\n  a: {{runs-on: {runs_on}}}\n  b: {{uses: o/r/.github/x.yml@v1}}\n"
    assert explain_workflow(text.encode(), HERE).endswith(
        "on self-hosted runners; calls further workflows"
    )


def test_the_widest_right_of_any_job_counts() -> None:
    text = "on: push\npermissions: {}\njobs: {a: {}, b: {permissions: {id-token: write}}}\n"
    assert "may write id-token" in explain_workflow(text.encode(), HERE)
    text = "on: push\njobs: {a: {permissions: {}}, b: {}}\n"
    assert "usual rights" in explain_workflow(text.encode(), HERE)


@pytest.mark.parametrize(
    "text",
    [
        "on: [push",
        "- on",
        "",
        "on: " + "[" * 5000,
        "on: {? [a, b] : c}",
        "on: *missing",
    ],
)
def test_what_cannot_be_read_may_run(text: str) -> None:
    assert explain_workflow(text.encode(), HERE).startswith("cannot be read: it may run")


def test_what_is_too_large_may_run() -> None:
    assert explain_workflow(None, HERE).startswith("cannot be read: it may run")


def test_a_bomb_does_not_go_off() -> None:
    """Opened out it would have 9 ** 60 parts."""
    rows = ["a0: &a0 [x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 60)]
    assert starts("on: push\n" + "\n".join(rows)) == [PUSH]
    assert starts("on: {push: {branches: ['" + "*a" * 200 + "']}}") == [PUSH]


@given(
    st.dictionaries(st.sampled_from(["branches", "branches-ignore"]), st.lists(st.text(max_size=9)))
)
def test_any_filter_is_read(options: dict[str, list[str]]) -> None:
    takes_branch(options, HERE.branch)


@given(st.binary(max_size=200))
def test_any_bytes_are_read(content: bytes) -> None:
    explain_workflow(b"on: push\n" + content, HERE)
