"""The base of a run, cloned from a forge over real HTTP."""

import asyncio
import os
import stat
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from forge.base.service import GitRepositories
from forge.core import ONCE
from forge.github.client import GitHub
from graph.errors import (
    BranchNotFound,
    CodingAgentError,
    EmptyRepository,
    ForgeForbidden,
    ForgeRateLimited,
    ForgeUnauthorized,
    ForgeUnavailable,
    InvalidRepoUrl,
    InvalidRequest,
    RepositoryArchived,
    RepositoryNotAllowed,
    RepositoryNotFound,
)
from graph.events import Retry
from tests.standins.github import DROPPED, TOKEN, Fault, files_that_hold
from tests.support.trusted_side import (
    TrustedSide,
    git,
    make_repository,
    open_github,
)

REPO = "/repos/octo/sample"
REFS = ".git/info/refs"


@pytest.fixture
def side(new_side: TrustedSide) -> TrustedSide:
    return new_side


async def test_the_default_branch_is_cloned(side: TrustedSide) -> None:
    base = await side.prepare()
    head = git(side.source, "rev-parse", "HEAD", "HEAD^{tree}").decode().split()
    assert [base.sha, base.tree] == head
    assert base.address == side.url
    assert (base.full_name, base.branch, base.local) == ("octo/sample", "main", False)
    assert base.public
    assert base.notes == ()
    assert side.events == []
    assert [path.name for path in side.run().root.iterdir()] == ["base.git"]


async def test_a_named_branch_is_cloned_and_no_other(side: TrustedSide) -> None:
    git(side.hosted.git_dir, "branch", "release/1.x", "main")
    base = await side.prepare(branch="release/1.x")
    assert base.branch == "release/1.x"
    refs = git(side.run().base_git, "for-each-ref", "--format=%(refname)").decode().split()
    assert refs == ["refs/heads/release/1.x"]


async def test_only_the_newest_commit_comes(side: TrustedSide, tmp_path: Path) -> None:
    for number in range(3):
        (side.source / "n").write_text(str(number))
        git(side.source, "add", "-A")
        git(side.source, "commit", "-qm", str(number))
    await side.forge.add_repository("octo/deep", side.source)
    base = await side.prepare(f"{side.forge.address}/octo/deep")
    assert git(side.run().base_git, "rev-list", "--count", base.sha) == b"1\n"


async def test_objects_can_be_read_by_others_and_nothing_else(side: TrustedSide) -> None:
    before = os.umask(0o077)
    try:
        await side.prepare()
    finally:
        os.umask(before)
    base_git = side.run().base_git
    assert stat.S_IMODE(base_git.stat().st_mode) == 0o711
    for path in [base_git / "objects", *(base_git / "objects").rglob("*")]:
        wanted = 0o755 if path.is_dir() else 0o444
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path
    for name in ("config", "HEAD", "packed-refs", "shallow"):
        if (base_git / name).exists():
            assert stat.S_IMODE((base_git / name).stat().st_mode) == 0o600, name


async def test_a_complete_base_is_used_again(side: TrustedSide) -> None:
    first = await side.prepare()
    clones = side.forge.calls("GET", REFS)
    assert await side.prepare() == first
    assert side.forge.calls("GET", REFS) == clones


async def test_what_a_cut_attempt_left_is_not_taken_for_the_base(side: TrustedSide) -> None:
    (side.run().root / ".base-123").mkdir()
    assert (await side.prepare()).branch == "main"


async def test_no_other_attempt_is_left_behind_by_cancelling(side: TrustedSide) -> None:
    task = asyncio.create_task(side.prepare())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    left = [path.name for path in side.run().root.iterdir()]
    assert left in ([], ["base.git"])


async def test_a_tag_is_not_a_branch(side: TrustedSide) -> None:
    git(side.hosted.git_dir, "tag", "v1", "main")
    with pytest.raises(BranchNotFound):
        await side.prepare(branch="v1")
    assert list(side.run().root.iterdir()) == []


async def test_a_branch_that_is_not_there_is_named(side: TrustedSide) -> None:
    with pytest.raises(BranchNotFound, match="nope"):
        await side.prepare(branch="nope")
    assert list(side.run().root.iterdir()) == []


@pytest.mark.parametrize("branch", [None, "main"])
async def test_a_repository_without_a_commit_is_empty(
    side: TrustedSide, tmp_path: Path, branch: str | None
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    git(folder, "init", "-q", "--bare", ".")
    await side.forge.add_repository("octo/empty", folder)
    with pytest.raises(EmptyRepository):
        await side.prepare(f"{side.forge.address}/octo/empty", branch)
    assert list(side.run().root.iterdir()) == []


async def test_an_odd_branch_never_reaches_git(side: TrustedSide) -> None:
    with pytest.raises(InvalidRequest):
        await side.prepare(branch="--upload-pack=id")
    with pytest.raises(InvalidRepoUrl):
        await side.prepare("https://example.org/octo/sample")
    assert side.forge.requests == []


async def test_a_missing_repository_is_not_found(side: TrustedSide) -> None:
    with pytest.raises(RepositoryNotFound, match="octo/nope"):
        await side.prepare(f"{side.forge.address}/octo/nope")


async def test_a_private_repository_is_cloned_with_the_token(side: TrustedSide) -> None:
    side.hosted.private = True
    base = await side.prepare()
    assert (base.branch, base.public) == ("main", False)


async def test_an_archived_repository_stops_before_any_work(side: TrustedSide) -> None:
    side.hosted.archived = True
    with pytest.raises(RepositoryArchived):
        await side.prepare()


async def test_a_renamed_repository_is_taken_under_its_new_name(side: TrustedSide) -> None:
    old = side.url
    side.forge.rename(side.hosted, "octo/renamed")
    base = await side.prepare(old)
    assert base.full_name == "octo/renamed"
    assert base.address == side.url
    assert any("octo/renamed" in note for note in base.notes)


async def test_a_rename_is_held_against_the_allowed_repositories(side: TrustedSide) -> None:
    old = side.url
    side.forge.rename(side.hosted, "octo/renamed")
    repositories = GitRepositories(
        runs=side.runs,
        forge=side.github,
        allow_local=False,
        allowed=lambda name: name == "octo/sample",
    )
    side.run()
    with pytest.raises(RepositoryNotAllowed) as refused:
        await repositories.prepare("r1", old, None, side.events.append)
    assert refused.value.code == "repository_not_found"
    with pytest.raises(RepositoryNotAllowed):
        await repositories.prepare("r1", f"{side.forge.address}/a/b", None, side.events.append)
    with pytest.raises(InvalidRepoUrl):
        await repositories.prepare("r1", str(side.source), None, side.events.append)


async def test_a_token_without_push_is_told_of(side: TrustedSide) -> None:
    side.hosted.push = False
    assert any("no right to push" in note for note in (await side.prepare()).notes)


async def test_submodules_are_told_of(side: TrustedSide) -> None:
    (side.source / ".gitmodules").write_text('[submodule "x"]\n\tpath = x\n\turl = ./x\n')
    sha = git(side.source, "rev-parse", "HEAD").decode().strip()
    git(side.source, "add", "-A")
    git(side.source, "update-index", "--add", "--cacheinfo", f"160000,{sha},x")
    git(side.source, "commit", "-qm", "with a submodule")
    await side.forge.add_repository("octo/with", side.source)
    base = await side.prepare(f"{side.forge.address}/octo/with")
    assert any("Submodules" in note for note in base.notes)


@pytest.mark.parametrize(
    ("place", "attributes", "told"),
    [
        (".", "*.psd filter=lfs diff=lfs merge=lfs -text\n", True),
        ("src", "a text\n  *.bin filter=lfs\r\n", True),
        (".", "# *.psd filter=lfs\n", False),
        (".", "*.psd filter=lfsx\n", False),
        (".", "* text=auto\n", False),
        (".", "", False),
    ],
)
async def test_files_in_lfs_are_told_of(
    side: TrustedSide, place: str, attributes: str, told: bool
) -> None:
    (side.source / place / ".gitattributes").write_text(attributes)
    git(side.source, "add", "-A")
    git(side.source, "commit", "-qm", "with attributes")
    await side.forge.add_repository("octo/with", side.source)
    base = await side.prepare(f"{side.forge.address}/octo/with")
    assert any("Git LFS" in note for note in base.notes) is told


async def test_without_a_token_nothing_is_begun(side: TrustedSide) -> None:
    repositories = GitRepositories(
        runs=side.runs,
        forge=open_github(side.forge, token=None),
        allow_local=True,
        allowed=lambda _: True,
    )
    side.run()
    with pytest.raises(ForgeUnauthorized) as refused:
        await repositories.prepare("r1", side.url, None, side.events.append)
    assert "GITHUB_TOKEN" in refused.value.hint
    assert side.forge.requests == []


RATE = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()) + 3000)}


@pytest.mark.parametrize(
    ("method", "path", "fault", "error"),
    [
        ("GET", REPO, Fault(401, "Bad credentials", times=9), ForgeUnauthorized),
        ("GET", REPO, Fault(403, "Forbidden", times=9), ForgeForbidden),
        ("GET", REPO, Fault(404, "Not Found", times=9), RepositoryNotFound),
        ("GET", REPO, Fault(500, times=9), ForgeUnavailable),
        ("GET", REPO, Fault(None, times=9), ForgeUnavailable),
        ("GET", REPO, Fault(cut=True, times=9), ForgeUnavailable),
        ("GET", REPO, Fault(403, headers={"retry-after": "3000"}, times=9), ForgeRateLimited),
        ("GET", REPO, Fault(429, headers={"retry-after": "3000"}, times=9), ForgeRateLimited),
        ("GET", REPO, Fault(403, headers=RATE, times=9), ForgeRateLimited),
        ("GET", REFS, Fault(401, times=9), ForgeUnauthorized),
        ("GET", REFS, Fault(403, times=9), ForgeForbidden),
        ("GET", REFS, Fault(404, times=9), RepositoryNotFound),
        ("GET", REFS, Fault(502, times=9), ForgeUnavailable),
        ("GET", REFS, Fault(429, times=9), ForgeUnavailable),
        ("GET", REFS, Fault(None, times=9), ForgeUnavailable),
    ],
)
async def test_each_refusal_has_its_error(
    side: TrustedSide, method: str, path: str, fault: Fault, error: type[CodingAgentError]
) -> None:
    side.forge.fail(method, path, fault)
    with pytest.raises(error) as raised:
        await side.prepare()
    assert TOKEN not in raised.value.message + raised.value.hint
    assert str(side.runs) not in raised.value.message
    assert list(side.run().root.iterdir()) == []


@pytest.mark.parametrize("path", [REPO, REFS])
@pytest.mark.parametrize("fault", [Fault(503, times=2), Fault(None, times=2)])
async def test_what_fails_for_a_while_is_tried_again(
    side: TrustedSide, path: str, fault: Fault
) -> None:
    side.forge.fail("GET", path, fault)
    assert (await side.prepare()).branch == "main"
    retries = [event for event in side.events if isinstance(event, Retry)]
    assert [retry.attempt for retry in retries] == [2, 3]
    assert all(retry.reason for retry in retries)


async def test_a_named_wait_is_kept(side: TrustedSide) -> None:
    side.forge.fail("GET", REPO, Fault(429, headers={"retry-after": "1"}))
    started = time.monotonic()
    await side.prepare()
    assert time.monotonic() - started >= 1
    assert [event.wait_ms for event in side.events if isinstance(event, Retry)] == [1000]


async def test_a_clone_cut_in_the_middle_is_made_again(side: TrustedSide) -> None:
    side.forge.fail("POST", ".git/git-upload-pack", DROPPED)
    assert (await side.prepare()).branch == "main"


async def test_what_is_no_answer_of_github_is_refused(side: TrustedSide) -> None:
    side.forge.fail("GET", REPO, Fault(200, body=b"<html>sign in</html>", times=9))
    with pytest.raises(CodingAgentError) as raised:
        await side.prepare()
    assert raised.value.code != "internal"


async def test_nobody_listens(tmp_path: Path) -> None:
    api_url = "http://127.0.0.1:9/api/v3"
    repositories = GitRepositories(
        runs=tmp_path,
        forge=GitHub(api_url=api_url, token=SecretStr(TOKEN), retry_policy=ONCE),
        allow_local=False,
        allowed=lambda _: True,
    )
    (tmp_path / "r1").mkdir()
    with pytest.raises(ForgeUnavailable):
        await repositories.prepare("r1", "http://127.0.0.1:9/a/b", None, lambda _: None)


async def test_what_the_token_may_do_is_told(side: TrustedSide) -> None:
    facts = await side.github.repository("octo/sample")
    assert (facts.push, facts.private, facts.default_branch) == (True, False, "main")
    side.hosted.push, side.hosted.private = False, True
    facts = await side.github.repository("octo/sample")
    assert (facts.push, facts.private) == (False, True)


async def test_the_probe_asks_once_and_tells_the_answer(side: TrustedSide) -> None:
    await side.github.probe()
    side.forge.fail("GET", "/user", Fault(401, "Bad credentials"))
    with pytest.raises(ForgeUnauthorized, match="Bad credentials"):
        await side.github.probe()
    side.forge.fail("GET", "/user", Fault(503))
    with pytest.raises(ForgeUnavailable):
        await side.github.probe()
    assert side.forge.calls("GET", "/user") == 3
    with pytest.raises(ForgeUnauthorized, match="is not set"):
        await open_github(side.forge, token=None).probe()
    with pytest.raises(ForgeUnauthorized):
        await open_github(side.forge, token=SecretStr("ghp_wrong_wrong_wrong")).probe()


async def test_the_token_is_written_nowhere(side: TrustedSide) -> None:
    await side.prepare()
    for text in (TOKEN, "eC1hY2Nlc3MtdG9rZW46"):
        assert files_that_hold(side.runs, text) == []


async def test_a_repository_made_elsewhere_has_its_own_base(
    side: TrustedSide, tmp_path: Path
) -> None:
    other = make_repository(tmp_path / "other")
    await side.forge.add_repository("octo/other", other)
    await side.prepare()
    base = await side.prepare(f"{side.forge.address}/octo/other", run_id="r2")
    assert base.full_name == "octo/other"
