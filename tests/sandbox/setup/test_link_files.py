"""Files of a kept set-up that trees have in common: which ones, and that no tree can write them."""

import os
import subprocess
from pathlib import Path

import pytest

from sandbox.host.run_users import FIRST_UID, KEEPER_UID
from sandbox.setup.link_files import link_files

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")

UID = FIRST_UID + 7
LIBRARY = "venv/lib/site-packages/tiny.py"
COMMAND = "node_modules/.bin/tiny"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    source, target = tmp_path / "kept", tmp_path / "tree"
    for path, text in {
        LIBRARY: "ANSWER = 42\n",
        "venv/pyvenv.cfg": "home = /usr/bin\n",
        "node_modules/tiny/index.js": "42\n",
        "node_modules/.pnpm/tiny@1/index.js": "42\n",
        "node_modules/.cache/state.json": "{}\n",
        "node_modules/.package-lock.json": "{}\n",
        "node_modules/tiny/secret.pem": "0600\n",
        "node_modules/tiny/open.txt": "0666\n",
    }.items():
        file = source / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (source / "node_modules/tiny/secret.pem").chmod(0o600)
    (source / "node_modules/tiny/open.txt").chmod(0o666)
    (source / COMMAND).parent.mkdir()
    (source / COMMAND).symlink_to("../tiny/index.js")
    subprocess.run(["chown", "-hR", f"{KEEPER_UID}:{KEEPER_UID}", source], check=True)
    target.mkdir()
    os.chown(target, UID, UID)
    return source, target


def shared(source: Path, target: Path) -> set[str]:
    """Files that are the same file in both."""
    files = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
    return {str(file) for file in files if (source / file).samefile(target / file)}


def as_user(command: str, folder: Path) -> int:
    ids = [f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
    return subprocess.run(
        ["setpriv", *ids, "sh", "-c", command], cwd=folder, check=False, capture_output=True
    ).returncode


def test_installed_files_are_shared_and_all_else_belongs_to_the_tree(
    folders: tuple[Path, Path],
) -> None:
    source, target = folders
    link_files(source, target, UID)
    assert shared(source, target) == {
        LIBRARY,
        "node_modules/tiny/index.js",
        "node_modules/.pnpm/tiny@1/index.js",
        COMMAND,
    }
    copied = target / "node_modules/.cache/state.json"
    assert (copied.read_text(), copied.stat().st_uid) == ("{}\n", UID)
    assert (target / "node_modules/tiny/secret.pem").stat().st_mode & 0o777 == 0o600
    assert str((target / COMMAND).readlink()) == "../tiny/index.js"
    owners = {path.lstat().st_uid for path in target.rglob("*") if not path.is_file()}
    assert owners == {UID}


def test_a_tree_replaces_a_shared_file_and_cannot_write_it(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    source, target = folders
    link_files(source, target, UID)
    tmp_path.chmod(0o711)
    for attempt in ("echo x >> {}", "chmod u+w {}", "chmod 666 {}", "chown $(id -u) {}"):
        assert as_user(attempt.format(LIBRARY), target) != 0, attempt
    assert as_user(f"rm {LIBRARY} && echo ANSWER = 1 > {LIBRARY}", target) == 0
    assert (target / LIBRARY).read_text() == "ANSWER = 1\n"
    assert (source / LIBRARY).read_text() == "ANSWER = 42\n"


def test_what_the_tree_has_stays_and_its_links_lead_nowhere(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    source, target = folders
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (target / "node_modules").symlink_to(elsewhere)
    (target / "venv").mkdir()
    (target / "venv/pyvenv.cfg").write_text("the tree's\n")
    link_files(source, target, UID)
    assert list(elsewhere.iterdir()) == []
    assert (target / "venv/pyvenv.cfg").read_text() == "the tree's\n"
    assert (target / LIBRARY).exists()


def test_folders_that_lie_too_deep_are_refused(tmp_path: Path) -> None:
    source, target = tmp_path / "kept", tmp_path / "tree"
    source.joinpath(*["d"] * 120).mkdir(parents=True)
    target.mkdir()
    with pytest.raises(OSError, match="too deep"):
        link_files(source, target, UID)
