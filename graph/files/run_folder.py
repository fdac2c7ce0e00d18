"""Where a run's files lie. Whole files, added by rename; the same on a disk and on a Volume."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graph.values import Base, ChangeRef, RoleName

LONGEST_PATH: Final = 4096
"""Bytes of the longest path that a checkout takes."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run below the folder of all runs."""

    root: Path

    @classmethod
    def of(cls, runs: Path, run_id: str) -> "RunFolder":
        return cls(runs / run_id)

    @property
    def base_git(self) -> Path:
        """The trusted bare repository; never written after `prepare`."""
        return self.root / "base.git"

    def git_of(self, base: Base) -> Path:
        """The repository of a base: `base.git`, or that of a newer commit of its branch."""
        return self.root / f"base-{base.moved}.git" if base.moved else self.base_git

    def ground_paths(self, base: Base) -> Path:
        """Paths in which a pull request's head differs from the trusted base, as heads of a patch:
        a line each, after `+++ `."""
        return self.root / f"ground-{base.moved}.paths"

    @property
    def pictures(self) -> Path:
        """Pictures of the request; written by `prepare` alone."""
        return self.root / "pictures"

    @property
    def changes(self) -> Path:
        return self.root / "changes"

    def patch(self, ref: ChangeRef) -> Path:
        return self.changes / f"{ref.step:04d}-{ref.role}.patch"

    def live_patch(self, step: int, role: RoleName) -> Path:
        """What a role that works has changed so far; there where its tree is elsewhere."""
        return self.changes / f"{step:04d}-{role}-live.patch"

    @property
    def transcripts(self) -> Path:
        return self.root / "transcripts"

    def transcript(self, step: int, role: RoleName) -> Path:
        """The folder of one role call's messages."""
        return self.transcripts / f"{step:04d}-{role}"

    def diff(self, step: int) -> Path:
        """The readable diff, made on the trusted side from the change of `step`."""
        return self.root / "diffs" / f"{step:04d}.diff"

    def diff_since(self, step: int, seen: int) -> Path:
        """What the change of `step` does to that of the step `seen`; made beside its diff."""
        return self.root / "diffs" / f"{step:04d}-since-{seen:04d}.patch"

    def change_tree(self, step: int) -> Path:
        """The names of the base's tree and of the tree that the change of `step` makes of it."""
        return self.root / "diffs" / f"{step:04d}.tree"

    @property
    def objects(self) -> Path:
        """Git objects of the change: trees, blobs and the commit, on the trusted side."""
        return self.root / "objects"

    @property
    def checks(self) -> Path:
        """Kept results of checks on the untouched base."""
        return self.root / "checks"

    @property
    def setups(self) -> Path:
        """Results of set-up for changes to what set-up reads; those of bases are elsewhere."""
        return self.root / "setups"

    @property
    def trees(self) -> Path:
        """Trees of sandboxes that live on this machine."""
        return self.root / "trees"

    @property
    def checkpoint(self) -> Path:
        """LangGraph's checkpoints of this run."""
        return self.root / "checkpoint.db"
