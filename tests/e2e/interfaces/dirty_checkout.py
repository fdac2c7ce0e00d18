"""A user's checkout in the middle of work, with all that must not be touched or run."""

import os
from pathlib import Path

from tests.support.trusted_side import git
from tests.support.whole_runs.hosted_repository import GREETER, make_repository

HOOKS = ("post-checkout", "pre-commit", "post-commit", "reference-transaction", "post-index-change")


def make_checkout(folder: Path, marker: Path) -> Path:
    """Uncommitted, staged and ignored work; whatever git could be made to run touches `marker`."""

    def more(made: Path) -> None:
        (made / ".gitignore").write_text("ignored\n")

    make_repository(folder, GREETER, more)
    git(folder, "branch", "other")
    git(folder, "tag", "v1")
    _work_in(folder)
    _set_traps(folder, marker)
    return folder


def _work_in(folder: Path) -> None:
    (folder / "greet.py").write_text("def greet(name):\n    return 'half done'\n")
    (folder / "staged.txt").write_text("staged\n")
    git(folder, "add", "staged.txt")
    (folder / "staged.txt").write_text("staged, then changed\n")
    (folder / "untracked.txt").write_text("untracked\n")
    (folder / "ignored").write_text("ignored\n")
    (folder / "link").symlink_to("nowhere")
    git(folder, "stash", "create")
    os.utime(folder / "test_greet.py", (1, 1))  # git would write the index anew, if it might


def _set_traps(folder: Path, marker: Path) -> None:
    trap = folder / ".git" / "trap"
    trap.write_text(f"#!/bin/sh\necho \"$0 $*\" >> '{marker}'\ncat 2>/dev/null\n")
    trap.chmod(0o755)
    for hook in HOOKS:
        path = folder / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(trap.read_text())
        path.chmod(0o755)
    settings = {
        "core.fsmonitor": str(trap),
        "core.pager": str(trap),
        "core.editor": str(trap),
        "core.sshCommand": str(trap),
        "core.gitProxy": str(trap),
        "core.autocrlf": "true",
        "core.logAllRefUpdates": "always",
        "diff.external": str(trap),
        "filter.odd.clean": str(trap),
        "filter.odd.smudge": str(trap),
        "filter.odd.required": "true",
        "commit.gpgSign": "true",
        "gpg.program": str(trap),
        "gc.auto": "1",
        "user.name": "Grace",
        "user.email": "grace@example.org",
        "alias.status": f"!{trap}",
        "uploadpack.packObjectsHook": str(trap),
    }
    for name, value in settings.items():
        git(folder, "config", name, value)
    info = folder / ".git" / "info"
    info.mkdir(exist_ok=True)
    (info / "attributes").write_text("* filter=odd diff=odd\n")
    git(folder, "config", "diff.odd.textconv", str(trap))


Snapshot = dict[str, tuple[int, int, bytes]]


def snapshot(folder: Path) -> Snapshot:
    """Mode, time of change and content of all but the object store."""
    taken: Snapshot = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name.startswith(".git/objects"):
            continue
        status = path.lstat()
        if path.is_symlink():
            content = os.fsencode(path.readlink())
        else:
            content = path.read_bytes() if path.is_file() else b""
        moved = 0 if path.is_dir() else status.st_mtime_ns
        taken[name] = (status.st_mode, moved, content)
    return taken


def added(before: Snapshot, after: Snapshot) -> set[str]:
    """Names that are new; all others must be as they were."""
    assert {name: after.get(name) for name in before} == before
    return set(after) - set(before)
