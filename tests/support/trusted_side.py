"""The trusted side of one machine, over a forge with one repository."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from forge.base.cache import KeptBases
from forge.base.service import GitRepositories
from forge.github.client import GitHub
from forge.publish.service import ForgePublisher
from forge.secret_scan import SecretCatalogue
from graph import RetryPolicy
from graph.events import Event
from graph.files.run_folder import RunFolder
from graph.publication import GateReport, PullRequest
from graph.services import Publication
from graph.values import Base, Change, ChangeRef
from tests.standins.github import TOKEN, GitHubStandIn
from tests.standins.github_server.repository import HostedRepository

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}
FAST = RetryPolicy(attempts=3, total_s=5, first_s=0.01)


def git(folder: Path, *words: str, stdin: bytes = b"") -> bytes:
    """What git prints in a folder, by no configuration but the folder's."""
    done = subprocess.run(
        ["git", *words], cwd=folder, env=ENVIRONMENT, input=stdin, capture_output=True, check=True
    )
    return done.stdout


def make_repository(folder: Path) -> Path:
    """A repository with one commit on `main`."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "README.md").write_text("# Sample\n")
    (folder / "src").mkdir()
    (folder / "src" / "app.py").write_text("print('hello')\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


def make_patch(work: Path) -> bytes:
    """The work tree's whole difference from HEAD, as a role hands it over."""
    git(work, "add", "-A")
    return git(work, "diff", "--cached", "--binary", "--no-renames", "--full-index", "HEAD")


@dataclass
class TrustedSide:
    """The trusted side of one machine, and what a test asks of it."""

    forge: GitHubStandIn
    hosted: HostedRepository
    source: Path
    runs: Path
    github: GitHub
    repositories: GitRepositories
    publisher: ForgePublisher
    kept: KeptBases
    first: Path | None = None
    """A work tree of the first commit, to be copied."""
    events: list[Event] = field(default_factory=list)

    @classmethod
    def open(
        cls,
        forge: GitHubStandIn,
        hosted: HostedRepository,
        source: Path,
        runs: Path,
        rules_cache: Path | None = None,
        first: Path | None = None,
        github: GitHub | None = None,
    ) -> "TrustedSide":
        github = github or open_github(forge)
        kept = KeptBases(runs.parent / "bases", runs=runs)
        common: dict[str, Any] = {
            "runs": runs,
            "forge": github,
        }
        catalogue = SecretCatalogue(rules_cache) if rules_cache else None
        return cls(
            forge=forge,
            hosted=hosted,
            source=source,
            runs=runs,
            github=github,
            repositories=GitRepositories(
                **common, allow_local=True, allowed=lambda _: True, kept=kept
            ),
            kept=kept,
            first=first,
            publisher=ForgePublisher(**common, kept=kept, catalogue=catalogue),
        )

    @property
    def url(self) -> str:
        return f"{self.forge.address}/{self.hosted.full_name}"

    def run(self, run_id: str = "r1") -> RunFolder:
        folder = RunFolder.of(self.runs, run_id)
        folder.root.mkdir(mode=0o711, parents=True, exist_ok=True)
        return folder

    async def prepare(
        self,
        url: str | None = None,
        branch: str | None = None,
        run_id: str = "r1",
        *,
        include_uncommitted: bool = False,
    ) -> Base:
        self.run(run_id)
        return await self.repositories.prepare(
            *(run_id, url or self.url, branch, self.events.append),
            include_uncommitted=include_uncommitted,
        )

    async def publish(self, publication: Publication) -> PullRequest:
        published = await self.publisher.publish(publication, self.events.append)
        assert isinstance(published, PullRequest)
        return published

    def hand_over(self, patch: bytes, step: int = 2, run_id: str = "r1") -> ChangeRef:
        digest = f"sha256:{hashlib.sha256(patch).hexdigest()}"
        ref = ChangeRef(step=step, role="coder", digest=digest)
        path = self.run(run_id).patch(ref)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(patch)
        return ref

    async def change(
        self, base: Base, edit: Callable[[Path], object], step: int = 2, run_id: str = "r1"
    ) -> Change:
        """The change that `edit` makes of a checkout of the base."""
        work = self.runs.parent / f"work-{run_id}-{step}"
        if self.first and base.sha == (self.first / ".git/refs/heads/main").read_text().strip():
            shutil.copytree(self.first, work)
        else:
            git(self.runs.parent, "clone", "-q", str(self.run(run_id).base_git), str(work))
        edit(work)
        ref = self.hand_over(make_patch(work), step, run_id)
        change = await self.repositories.read_change(run_id, base, ref)
        return change.model_copy(update={"title": "Add a file", "summary": "It was asked for."})

    def publication(self, base: Base, change: Change, **more: Any) -> Publication:
        told: dict[str, Any] = {
            "run_id": "r1",
            "branch": "agent/add-a-file-0123abcd",
            "base": base,
            "change": change,
            "plan": None,
            "validation": None,
            "review": None,
            "gate": GateReport(passed=True),
            "draft": False,
            "remaining": (),
        }
        return Publication(**(told | more))


def write_file(work: Path) -> None:
    (work / "new.txt").write_text("new\n")


def open_github(forge: GitHubStandIn, **more: Any) -> GitHub:
    told: dict[str, Any] = {"token": SecretStr(TOKEN), "retry_policy": FAST}
    return GitHub(api_url=forge.api_url, **(told | more))
