"""Git is started alike on every event loop: servers bring loops of their own."""

import asyncio
from pathlib import Path

import pytest

from forge.core.credentials import FixedToken
from forge.core.forge import GitAccess
from forge.git.command import Git

uvloop = pytest.importorskip("uvloop")


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_git_runs_and_what_it_makes_is_private(tmp_path: Path, loop_factory: object) -> None:
    made = tmp_path / "made.git"
    git = Git(GitAccess("https://github.com", FixedToken(None), "nobody"))
    with asyncio.Runner(loop_factory=loop_factory) as runner:  # type: ignore[arg-type]
        result = runner.run(git.run("init", "--quiet", "--bare", str(made)))
    assert result.ok, result.stderr
    assert made.stat().st_mode & 0o777 == 0o700
