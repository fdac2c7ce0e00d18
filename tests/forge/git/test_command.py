"""Trusted git: nothing inherited, limits kept, nothing left running, the token in no text."""

import asyncio
import contextlib
import os
import re
import sys
import threading
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from forge.core.credentials import FixedToken
from forge.core.forge import GitAccess
from forge.git.blobs import open_blobs
from forge.git.command import LOCAL, Git, GitLimits
from forge.git.environment import ENVIRONMENT, OPTIONS
from graph.errors import GitFailed
from tests.standins.github import TOKEN
from tests.support.cut_short import cut_at_each_step
from tests.support.polling import until
from tests.support.trusted_side import (
    TrustedSide,
    git,
    make_repository,
    write_file,
)

WEB = "http://127.0.0.1:9"


def trusted(*hide: str) -> Git:
    return Git(GitAccess(WEB, FixedToken(SecretStr(TOKEN)), "x-access-token"), hide=hide)


async def environment_of(git_: Git, *arguments: str, **more: object) -> dict[str, str]:
    """What a program that git starts has for an environment."""
    result = await git_.run("-c", "alias.env=!env -0", *arguments, "env")
    assert result.ok, result.stderr
    return dict(row.split("=", 1) for row in result.stdout.decode().split("\0") if row)


async def test_nothing_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    monkeypatch.setenv("GIT_DIR", "/somewhere")
    seen = await environment_of(trusted())
    assert set(seen) - set(ENVIRONMENT) <= {
        *("GIT_CONFIG_PARAMETERS", "GIT_PREFIX", "PWD", "SHLVL", "_", "GIT_EXEC_PATH", "OLDPWD"),
    }
    for name, value in ENVIRONMENT.items():
        if name != "PATH":
            assert seen[name] == value
    assert TOKEN not in str(seen)


async def test_every_option_holds_in_a_repository_that_says_otherwise(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "r")
    git(repository, "config", "core.fsmonitor", "touch fired")
    git(repository, "config", "core.hooksPath", "hooks")
    for option in OPTIONS:
        name, _, value = option.partition("=")
        said = await trusted().output("config", "--get", name, git_dir=str(repository / ".git"))
        assert said.decode().rstrip("\n") == value


async def test_the_token_goes_by_environment_and_to_one_address_only(tmp_path: Path) -> None:
    result = await trusted().transfer("config", "--list", "--show-scope")
    assert f"http.{WEB}/.extraheader" in result.stdout.decode()
    plain = await trusted().run("config", "--list")
    assert b"extraheader" not in plain.stdout


async def test_no_other_protocol_is_spoken(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "r")
    for url in (str(repository), f"file://{repository}", "ext::sh -c id", "ssh://127.0.0.1/x"):
        result = await trusted().transfer("ls-remote", "--", url)
        assert not result.ok
        assert "not allowed" in result.stderr, result.stderr
        assert not (await trusted().run("ls-remote", "--", url)).ok


async def test_a_failure_says_what_git_said_without_host_paths(tmp_path: Path) -> None:
    with pytest.raises(GitFailed, match=r"^git cat-file failed: .*not a git repository") as raised:
        await trusted(str(tmp_path)).output("cat-file", "-e", "HEAD", git_dir=str(tmp_path / "no"))
    assert str(tmp_path) not in raised.value.message


async def test_the_token_is_taken_out_of_what_git_says() -> None:
    result = await trusted().run("-c", f"alias.x=!echo {TOKEN} >&2; exit 3", "x")
    assert result.exit_code == 3
    assert TOKEN not in result.stderr
    assert "***" in result.stderr


@pytest.mark.parametrize("password", ["open-sesame", "open@sesame", "@open@@sesame@"])
async def test_a_password_in_an_address_is_taken_out_of_what_git_says(password: str) -> None:
    address = f"http://ada:{password}@proxy.invalid:x"
    result = await trusted().run("-c", f"alias.x=!echo bad proxy '{address}' >&2; exit 3", "x")
    assert result.stderr.strip() == "bad proxy http://***@proxy.invalid:x"


@pytest.mark.parametrize("then", ["sleep 987.654", "true"])
async def test_time_is_limited_and_nothing_runs_on(then: str) -> None:
    """Also where git itself has ended, and what it left holds its output."""
    limits = GitLimits(timeout_s=0.3)
    marker = "987.654"
    result = await trusted().run("-c", f"alias.x=!sleep {marker} & {then}", "x", limits=limits)
    assert "0.3 s" in result.over
    assert not result.ok
    assert marker not in str([process.info for process in psutil.process_iter(["cmdline"])])


async def test_a_cancelled_command_is_killed(tmp_path: Path) -> None:
    marker, begun = "876.543", tmp_path / "begun"
    script = f"alias.x=!touch {begun}; sleep {marker}"
    task = asyncio.create_task(trusted().run("-c", script, "x"))
    await until(begun.exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert marker not in str([process.info for process in psutil.process_iter(["cmdline"])])


async def test_a_write_may_come_to_its_end(tmp_path: Path) -> None:
    begun, done = tmp_path / "begun", tmp_path / "done"
    script = f"alias.x=!touch {begun}; sleep 0.4; touch {done}"
    task = asyncio.create_task(trusted().transfer("-c", script, "x", finish_s=60))
    await until(begun.exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.exists()


async def test_output_is_limited() -> None:
    result = await trusted().run(
        "-c", "alias.x=!yes", "x", limits=GitLimits(output_bytes=100_000, timeout_s=20)
    )
    assert "100000 bytes" in result.over


@pytest.mark.parametrize(
    ("limits", "script"),
    [
        (GitLimits(memory_mb=200), "python3 -c 'bytearray(400 << 20)'"),
        (GitLimits(cpu_s=1), "python3 -c 'while True: pass'"),
        (GitLimits(file_mb=1), f"head -c 3000000 /dev/zero > {os.devnull}x$$"),
    ],
)
async def test_the_kernel_keeps_the_other_limits(
    limits: GitLimits, script: str, tmp_path: Path
) -> None:
    script = script.replace(f"{os.devnull}x$$", str(tmp_path / "big"))
    result = await trusted().run("-c", f"alias.x=!{script}", "x", limits=limits)
    assert not result.ok
    big = tmp_path / "big"
    assert not big.exists() or big.stat().st_size <= 1024 * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's limits are Linux's")
@pytest.mark.parametrize("private", [True, False])
async def test_no_limit_can_be_raised_again(private: bool) -> None:
    show = "alias.x=!cat /proc/self/limits; umask"
    said = (await trusted().run("-c", show, "x", private=private)).stdout.decode()
    memory, file = str(LOCAL.memory_mb << 20), str(LOCAL.file_mb << 20)
    for name, limit in (
        ("Max address space", memory),
        ("Max cpu time", str(LOCAL.cpu_s)),
        ("Max file size", file),
        ("Max core file size", "0"),
    ):
        assert re.search(rf"^{name} +{limit} +{limit} ", said, re.MULTILINE), said
    assert said.endswith("0077\n") is private


async def test_much_is_fed_and_much_is_read(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "r")
    names = b"HEAD\n" * 20_000
    said = await trusted().output(
        "cat-file", "--batch-check", git_dir=str(repository / ".git"), stdin=names
    )
    assert said.count(b"commit") == 20_000


async def test_a_command_that_does_not_read_is_no_failure() -> None:
    assert (await trusted().run("version", stdin=b"x" * 5_000_000)).ok


async def test_no_process_shows_the_token_in_its_arguments(new_side: TrustedSide) -> None:
    side = new_side
    seen: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    seen.add(" ".join(process.cmdline()))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        base = await side.prepare()
        change = await side.change(base, write_file)
        await side.publisher.publish(side.publication(base, change), side.events.append)
    finally:
        ended.set()
        watching.join()
    assert any("fetch" in line for line in seen)
    assert any("push" in line for line in seen)
    assert not re.search(f"{TOKEN}|x-access-token|eC1hY2Nlc3Mt", "\n".join(seen))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's limits are Linux's")
async def test_git_that_gitpython_starts_is_limited_too(side: TrustedSide) -> None:
    await side.change(await side.prepare(), write_file)
    with open_blobs(side.run()):
        readers = [
            child
            for child in psutil.Process().children()
            if "cat-file" in " ".join(child.cmdline())
        ]
        assert len(readers) == 2
        for reader in readers:
            assert reader.rlimit(psutil.RLIMIT_AS)[1] == LOCAL.memory_mb << 20
            assert reader.rlimit(psutil.RLIMIT_CPU)[1] == LOCAL.cpu_s
            assert reader.rlimit(psutil.RLIMIT_FSIZE)[1] == LOCAL.file_mb << 20


@pytest.mark.parametrize("again", [0, 1, 3])
async def test_a_command_that_is_cancelled_is_killed_at_whichever_step(again: int) -> None:
    """As it starts too, without waiting for the pipes that it has not yet, and once more."""
    marker = f"0.0765{again}"

    async def run() -> None:
        result = await trusted().run("-c", f"alias.x=!sleep {marker}", "x")
        assert result.ok

    async for _ in cut_at_each_step(run, again=again):
        assert marker not in str([each.info for each in psutil.process_iter(["cmdline"])])


async def test_a_push_that_is_given_up_twice_leaves_no_process(tmp_path: Path) -> None:
    marker, begun = "654.321", tmp_path / "begun"
    script = f"alias.x=!touch {begun}; sleep {marker}"
    task = asyncio.create_task(trusted().transfer("-c", script, "x", finish_s=60))
    await until(begun.exists)
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert marker not in str([each.info for each in psutil.process_iter(["cmdline"])])
