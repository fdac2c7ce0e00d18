"""Names of branches: what passes is a name to git, and never an option."""

import subprocess

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from forge.core.branch_names import check_base_branch, check_own_branch
from graph.errors import InvalidRequest, PushRejected
from graph.request.branch_names import branch_name


@pytest.mark.parametrize(
    "name", ["main", "release/1.x", "feature/a-b_c", "förderung", "v1.0", "a@b", "x#1", "HEAD"]
)
def test_usual_names_pass(name: str) -> None:
    check_base_branch(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "-b", "--upload-pack=id", "/a", "a/", "a//b", ".a", "a/.b", "a..b", "a.lock"),
        *("a b", "a\n", "a\x00", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "a@{1}", "@"),
        *("a.", "a.lock/b", "refs/heads/a", "x" * 201, "\ud800"),
    ],
)
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        check_base_branch(name)


@settings(max_examples=60)
@given(st.text(min_size=1, max_size=12))
def test_what_passes_is_a_name_to_git(name: str) -> None:
    try:
        check_base_branch(name)
    except InvalidRequest:
        return
    subprocess.run(["git", "check-ref-format", f"refs/heads/{name}"], check=True)


@given(st.text(), st.text(min_size=4))
def test_the_runs_own_branch_passes(prompt: str, run_id: str) -> None:
    assume(any(char in "0123456789abcdefghijklmnopqrstuvwxyz" for char in run_id))
    check_own_branch(branch_name(prompt, run_id), "main")


@pytest.mark.parametrize(
    "name", ["main", "agent/x", "agent/x-1:refs/heads/main", "+agent/x-1", "agent/x-1 y", "x/y-1"]
)
def test_another_branch_is_never_pushed_to(name: str) -> None:
    with pytest.raises(PushRejected):
        check_own_branch(name, "main")


@given(st.text(), st.sampled_from(("bots/", "team/agent-", "ai-")))
def test_a_run_keeps_to_its_prefix(title: str, prefix: str) -> None:
    name = branch_name(title, "01k9zq4c8e", prefix=prefix, prompt="Fix PROJ-12 soon")
    assert name.startswith(f"{prefix}PROJ-12-")
    check_own_branch(name, "main", prefix)
    with pytest.raises(PushRejected):
        check_own_branch(name, "main", "agent/")


def test_the_base_is_never_pushed_to() -> None:
    with pytest.raises(PushRejected):
        check_own_branch("agent/x-1", "agent/x-1")
