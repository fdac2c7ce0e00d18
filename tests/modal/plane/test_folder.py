"""What a plane that was killed left is removed by the next one."""

import subprocess
import sys
from pathlib import Path

from tests.modal.deployment import ROOT
from tests.modal_plane.folder import plane_folder

OWNER = """
import pathlib, sys
from tests.modal_plane.folder import plane_folder
with plane_folder(pathlib.Path(sys.argv[1])) as folder:
    (folder / "volumes").mkdir()
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_the_folder_of_a_killed_plane_goes_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner:
        assert owner.stdout
        left = Path(owner.stdout.readline().strip())
        with plane_folder(tmp_path) as living:
            assert left.exists()
            owner.kill()
            owner.wait()
            with plane_folder(tmp_path) as own:
                assert sorted(tmp_path.iterdir()) == sorted([living, own])
    assert list(tmp_path.iterdir()) == []
