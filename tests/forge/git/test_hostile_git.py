"""What a work tree plants for git: each bites plain git, none fires on the trusted side.

The trusted side meets a work tree in two ways: it is a checkout that a run is asked to work on, or
the tree in which a role worked, whose change comes out as data.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forge.base.service import GitRepositories
from forge.github import GitHub
from forge.publish.service import ForgePublisher
from forge.secret_scan import SecretCatalogue
from graph.errors import RepositoryError
from graph.files import store_change
from graph.files.run_folder import RunFolder
from sandbox.core.protocol import TreeSpec
from sandbox.tree.run_folder import make_run_folder
from sandbox.tree.take_patch import take_change
from sandbox.trees.local_trees import LocalSandboxes
from tests.forge.git.git_plants import PLANTS, Plant
from tests.forge.git.hostile_ground import (
    TOKEN,
    Ground,
    Proxy,
    proxy,
)
from tests.standins.github import GitHubStandIn
from tests.standins.github_server.repository import HostedRepository
from tests.support.sandbox.local_tree import make_backend, missing
from tests.support.trusted_side import (
    TrustedSide,
    git,
    make_repository,
)

pytestmark = pytest.mark.slow

BRANCH = "agent/add-a-file-0123abcd"
NEW_FILE = b"""\
diff --git a/new.txt b/new.txt
new file mode 100644
index 0000000000000000000000000000000000000000..3e757656cf36eca53338e520d134963a44f793f8
--- /dev/null
+++ b/new.txt
@@ -0,0 +1 @@
+new
"""
INCOMPLETE = {"missing objects fetched from elsewhere", "work tree elsewhere"}
"""Checkouts that no run can work on: the error is plain."""

each = pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(tmp_path_factory.mktemp("hostile") / "source")


@pytest.fixture(scope="module")
def listening() -> Iterator[Proxy]:
    with proxy() as server:
        yield server


@pytest.fixture
def ground(
    data_dir: Path, repository: Path, listening: Proxy, monkeypatch: pytest.MonkeyPatch
) -> Ground:
    monkeypatch.setenv("FORGE_TOKEN", TOKEN)
    return Ground(data_dir, repository, listening)


@each
def test_plain_git_is_bitten(ground: Ground, plant: Plant) -> None:
    assert ground.plant(plant)
    assert not ground.has_fired(plant)
    bitten = ground.sh(plant.bite)
    assert ground.has_fired(plant), bitten.stderr


def groups(number: int) -> list[list[Plant]]:
    """Plants that can be in one repository, neighbours apart; those that cannot, each alone."""
    alone = [plant for plant in PLANTS if plant.place == "dot-git" or "elsewhere" in plant.name]
    together = [plant for plant in PLANTS if plant not in alone]
    return [*(together[start::number] for start in range(number)), *([plant] for plant in alone)]


@pytest.mark.parametrize("plants", groups(8), ids=lambda plants: plants[0].name)
async def test_a_checkout_fires_nothing(
    ground: Ground, plants: list[Plant], data_dir: Path, rules_cache: Path
) -> None:
    """Its base is read, the change is judged, and a branch is made in it."""
    assert [plant.name for plant in plants if not ground.plant(plant)] == []
    ground.sh("echo uncommitted >> README.md")
    common: dict[str, Any] = {
        "runs": data_dir / "runs",
        "forge": GitHub(api_url="https://api.github.com", token=None),
    }
    make_run_folder(data_dir / "runs", "r1")
    repositories = GitRepositories(**common, allow_local=True, allowed=lambda _: True)
    publisher = ForgePublisher(**common, catalogue=SecretCatalogue(rules_cache))
    try:
        base = await repositories.prepare("r1", str(ground.checkout), None, lambda _: None)
        ref = store_change(RunFolder.of(data_dir / "runs", "r1"), 2, "coder", NEW_FILE)
        change = await repositories.read_change("r1", base, ref)
        change = change.model_copy(update={"title": "Add", "summary": "Asked for."})
        assert (await publisher.gate("r1", base, change, ())).passed
        publication = TrustedSide.publication(None, base, change)  # type: ignore[arg-type]
        await publisher.publish(publication, lambda _: None)
    except RepositoryError:
        assert INCOMPLETE & {plant.name for plant in plants}
    else:
        shown = ground.sh(f"git --git-dir=.git -c core.worktree= show {BRANCH}:new.txt")
        assert shown.stdout == "new\n"
    assert not ground.fired.exists()
    assert [plant.name for plant in plants if ground.has_fired(plant)] == []


# --- the tree that a role worked in


@pytest.fixture
async def hosted(forge: GitHubStandIn, repository: Path) -> HostedRepository:
    return await forge.add_repository("octo/sample", repository)


@pytest.mark.slow
@pytest.mark.parametrize("plants", groups(1), ids=lambda plants: plants[0].name)
@pytest.mark.skipif(missing() is not None, reason=f"no sandbox here: {missing()}")
async def test_a_change_out_of_such_a_tree_fires_nothing(
    ground: Ground,
    plants: list[Plant],
    forge: GitHubStandIn,
    hosted: HostedRepository,
    data_dir: Path,
    rules_cache: Path,
) -> None:
    """It is taken, read, judged, committed, pushed and opened as a pull request."""
    assert [plant.name for plant in plants if not ground.plant(plant)] == []
    side = TrustedSide.open(forge, hosted, ground.checkout, data_dir / "runs", rules_cache)
    make_run_folder(side.runs, "r1")
    base = await side.prepare()
    sandboxes = LocalSandboxes(runs=side.runs, backend=make_backend(data_dir))
    tree = await sandboxes.open("r1", TreeSpec("live", base))
    replace_workspace(side.run(), ground)
    assert (await tree.run("echo new > new.txt")).exit_code == 0
    ref = side.hand_over((await take_change(tree, base)).patch)
    change = await side.repositories.read_change("r1", base, ref)
    change = change.model_copy(update={"title": "Add", "summary": "Asked for."})
    assert "new.txt" in {file.path for file in change.files}
    await side.publisher.gate("r1", base, change, ())
    await side.publisher.publish(side.publication(base, change), side.events.append)
    pushed = git(hosted.git_dir, "show", f"{BRANCH}:new.txt")
    assert pushed == b"new\n"
    assert not ground.fired.exists()
    assert [plant.name for plant in plants if ground.has_fired(plant)] == []
    await side.github.close()


def replace_workspace(run: RunFolder, ground: Ground) -> None:
    """The hostile repository as the tree's own, `.git` and all."""
    workspace = run.trees / "live" / "workspace"
    owner = workspace.stat().st_uid
    for words in (
        ("find", str(workspace), "-mindepth", "1", "-delete"),
        ("cp", "-a", f"{ground.checkout}/.", str(workspace)),
        ("chown", "-hR", f"{owner}:{owner}", str(workspace)),
    ):
        subprocess.run(words, check=True)
