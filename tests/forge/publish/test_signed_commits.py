"""Commits are signed by the operator's key, as git verifies them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import SecretStr

from forge.publish.service import ForgePublisher
from forge.signing import SigningKey
from graph.errors import PushRejected, SigningFailed
from graph.publication import ChangeOnNewBase, PullRequest
from graph.values import Base, Change
from tests.forge.publish.test_moved_base import move
from tests.forge.publish.test_preflight import BRANCH as WANTED
from tests.forge.publish.test_preflight import RULES, answer, rule
from tests.support.polling import until
from tests.support.signing_keys import MadeKey, make_gpg_key, make_ssh_key
from tests.support.trusted_side import TrustedSide, git, make_repository, write_file

BRANCH = "agent/add-a-file-0123abcd"
MAKE = {"ssh": make_ssh_key, "gpg": make_gpg_key}


@pytest.fixture(params=["ssh", pytest.param("gpg", marks=pytest.mark.slow)])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> MadeKey:
    return MAKE[str(request.param)](tmp_path / "keys")


def publisher_of(side: TrustedSide, key: SigningKey, **more: Any) -> ForgePublisher:
    told: dict[str, Any] = {"runs": side.runs, "forge": side.github, "kept": side.kept}
    return ForgePublisher(**told, key=key, **more)


async def a_change(side: TrustedSide) -> tuple[Base, Change]:
    base = await side.prepare()
    return base, await side.change(base, write_file)


def our_agents() -> Iterator[psutil.Process]:
    """Agents of GnuPG that run in a folder of the product's."""
    place = f"{tempfile.gettempdir()}/sign-"
    for process in psutil.process_iter(["name"]):
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            ours = process.environ().get("GNUPGHOME", "").startswith(place)
            if process.name() == "gpg-agent" and alive and ours:
                yield process
        except psutil.Error:
            continue


async def test_the_commit_verifies_and_says_the_same(side: TrustedSide, made: MadeKey) -> None:
    base, change = await a_change(side)
    publisher = publisher_of(side, SigningKey(made.file))
    done = await publisher.publish(side.publication(base, change), side.events.append)
    assert isinstance(done, PullRequest)
    where = side.hosted.git_dir
    assert made.verify(where, BRANCH)
    assert not made.verify(where, "main")
    told = git(where, "log", "-1", "--format=%T %P%n%B", BRANCH).decode()
    assert told.strip() == f"{change.tree} {base.sha}\nAdd a file\n\nIt was asked for."
    git(where, "fsck", "--strict")
    await until(lambda: not list(our_agents()))


@pytest.mark.slow
@pytest.mark.parametrize("form", MAKE)
async def test_merges_with_a_newer_base_are_signed_too(
    side: TrustedSide, tmp_path: Path, form: str
) -> None:
    made = MAKE[form](tmp_path / "keys")
    publisher = publisher_of(side, SigningKey(made.file))
    base, change = await a_change(side)
    await publisher.publish(side.publication(base, change, draft=True), side.events.append)
    newest = move(side, "elsewhere.txt", "theirs\n")
    over = side.publication(base, change, rebase_step=3)
    moved = await publisher.publish(over, side.events.append)
    assert isinstance(moved, ChangeOnNewBase)
    assert moved.change
    await publisher.publish(side.publication(moved.base, moved.change), side.events.append)
    first, merge = (
        git(side.hosted.git_dir, "log", "--first-parent", "--format=%H", f"main..{BRANCH}")
        .decode()
        .split()[::-1]
    )
    parents = git(side.hosted.git_dir, "log", "-1", "--format=%P", merge).decode().split()
    assert parents == [first, newest]
    assert made.verify(side.hosted.git_dir, first)
    assert made.verify(side.hosted.git_dir, merge)


async def test_a_branch_in_a_checkout_is_signed(side: TrustedSide, tmp_path: Path) -> None:
    made, checkout = make_ssh_key(tmp_path / "keys"), make_repository(tmp_path / "checkout")
    base = await side.prepare(str(checkout))
    change = await side.change(base, write_file)
    publisher = publisher_of(side, SigningKey(made.file))
    await publisher.publish(side.publication(base, change), side.events.append)
    assert made.verify(checkout / ".git", BRANCH)


async def test_a_key_may_be_given_as_text_without_its_last_line_end(tmp_path: Path) -> None:
    text = make_ssh_key(tmp_path / "keys").file.read_text().strip()
    signature = await SigningKey(text=SecretStr(text)).sign(b"data", "git")
    assert signature.startswith("-----BEGIN SSH SIGNATURE-----\n")


def no_key(folder: Path) -> Path:
    (folder / "public").write_text("ssh-ed25519 AAAA bot\n")
    return folder / "public"


def locked_ssh_key(folder: Path) -> Path:
    return make_ssh_key(folder, "a passphrase").file


def locked_gpg_key(folder: Path) -> Path:
    return make_gpg_key(folder, "a passphrase").file


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: folder / "none", "cannot be read: No such file"),
        (no_key, "holds no private key"),
        (locked_ssh_key, "could not sign"),
        pytest.param(locked_gpg_key, "could not sign", marks=pytest.mark.slow),
    ],
)
async def test_a_key_that_cannot_sign_is_told_before_the_work(
    side: TrustedSide, tmp_path: Path, make: Any, told: str
) -> None:
    base = await side.prepare()
    publisher = publisher_of(side, SigningKey(make(tmp_path)))
    with pytest.raises(SigningFailed) as raised:
        await publisher.check_publishable("r1", base, WANTED, None, side.events.append)
    assert told in raised.value.message
    assert str(tmp_path) not in raised.value.message
    assert tempfile.gettempdir() not in raised.value.message


async def test_rules_that_ask_for_signatures_are_kept_with_a_key(
    side: TrustedSide, tmp_path: Path
) -> None:
    key = SigningKey(make_ssh_key(tmp_path / "keys").file)
    answer(side, RULES, [rule("required_signatures")])
    answer(side, "/rules/branches/main", [rule("required_signatures")])
    base = await side.prepare()
    check = publisher_of(side, key).check_publishable
    assert await check("r1", base, WANTED, None, side.events.append) == ()
    with pytest.raises(PushRejected) as raised:
        await side.publisher.check_publishable("r1", base, WANTED, None, side.events.append)
    assert "CODING_AGENT_SIGNING_KEY_FILE" in raised.value.hint
