"""Between containers nothing is seen without a commit and a reload: each omission is an error.

That the same work succeeds with both is what every whole run shows.
"""

import shutil
from pathlib import Path

import pytest

from tests.modal.deployment import ROOT, Deployment
from tests.modal_plane.availability import need_containers
from tests.support.whole_runs.claude_script import small_change

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300), pytest.mark.slow]
PRODUCT = ("graph", "sandbox", "forge", "roles", "runs", "api", "wiring")
MOUNT, CALLER = Path("runs/shared/volume_mount.py"), Path("runs/remote_roles/caller.py")
CHECKPOINTS = Path("runs/checkpoints/copied_checkpoints.py")
WORKER = Path("runs/remote_roles/worker.py")
OMISSIONS = {
    "commit before a role": (CALLER, ["await self._mount.commit()"], {"plan"}),
    "commit after a role": (
        WORKER,
        [
            "await self.mount.commit_run(self.run_id)",
            "self._wait(self._worker.mount.commit(self._worker.run_id))",
        ],
        {"code"},
    ),
    "reload": (MOUNT, ["await self._volume.reload.aio()"], {"plan", "code"}),
}
"""What is left out of which file, and the nodes at which that may show.

A container that is started ahead has mounted the folder before what is handed to it is there.
"""
IMPATIENT = {"_SHOWN_S: Final = 60.0": "_SHOWN_S: Final = 1.0"}
LATE = {"_SOON_S: Final = 0.5": "_SOON_S: Final = 60.0"}
"""Else the commit of a checkpoint stands in for one that is left out."""


def without(what: str, folder: Path) -> Path:
    """The product without one of its precautions."""
    for name in PRODUCT:
        shutil.copytree(ROOT / name, folder / name)
    for name in ("deploy.py", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder / name)
    place, omitted, _ = OMISSIONS[what]
    for file, changes in (
        (place, dict.fromkeys(omitted, "pass")),
        (CALLER, IMPATIENT),
        (CHECKPOINTS, LATE),
    ):
        text = (folder / file).read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, f"{file} has no such line: {old}"
            text = text.replace(old, new)
        (folder / file).write_text(text)
    return folder


@pytest.mark.parametrize("what", OMISSIONS)
async def test_an_omission_is_an_error_and_never_old_work(what: str, tmp_path: Path) -> None:
    need_containers()
    async with Deployment.open(folder=without(what, tmp_path)) as deployment:
        repo = await deployment.host()
        async with deployment.client() as http:
            prompt = f"Greet without a {what}."
            run = await (await deployment.start(http, prompt, repo, small_change())).ended()
        assert (run.end["status"], run.error) == ("failed", "store_stale")
        node, outcome = run.nodes[-1]
        assert (node in OMISSIONS[what][2], outcome) == (True, "error"), node
        assert repo.branches == []
