"""What set-up left of one commit, for trees of another one that it reads alike."""

from pathlib import Path

import pytest

from sandbox.core.protocol import Limits, TreeSpec
from tests.support.graph.environments import environment_of
from tests.support.pull_requests import commit_in
from tests.support.sandbox.modal_trees import modal_run
from tests.support.sandbox.sample_run import RUN, git, sample_run

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


async def test_a_tree_of_a_newer_commit_has_its_files_and_what_was_kept(data_dir: Path) -> None:
    sample = sample_run(data_dir, {"a.txt": "older\n"})
    async with modal_run(sample, Limits(timeout_s=30)) as on_modal:
        run = on_modal.run
        environment = environment_of(["date +%N > ~/made"]).model_copy(update={"key": "read"})
        older = await run.sandboxes.open(RUN, TreeSpec("older", run.base, environment=environment))
        sha = commit_in(run.folder.base_git, "main", {"a.txt": "newer\n"})
        tree = git(run.folder.base_git, "rev-parse", f"{sha}^{{tree}}")
        base = run.base.model_copy(update={"sha": sha, "tree": tree})
        newer = await run.sandboxes.open(RUN, TreeSpec("newer", base, environment=environment))
        told = [(await each.run("cat a.txt ~/made")).text.split() for each in (older, newer)]
    assert [text for text, _ in told] == ["older", "newer"]
    assert told[0][1] == told[1][1]
