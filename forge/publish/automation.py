"""What a repository's automation will do with what is pushed: it starts before anyone reads it."""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from forge.core.forge import Forge, Target
from forge.git.apply_patch import shown_path
from forge.git.blobs import open_blobs
from forge.git.command import Git
from forge.git.environment import run_objects
from forge.text.sanitize_markdown import code
from graph import RunFolder

_MAX_WORKFLOWS: Final = 30
_MAX_FILE: Final = 64 * 1024
_MAX_PATH: Final = 200
_SYSTEMS: Final = {
    ".gitlab-ci.yml": "GitLab CI",
    ".circleci": "CircleCI",
    "Jenkinsfile": "Jenkins",
    "azure-pipelines.yml": "Azure Pipelines",
    ".azure-pipelines": "Azure Pipelines",
    ".travis.yml": "Travis CI",
    ".buildkite": "Buildkite",
    ".drone.yml": "Drone",
    "bitbucket-pipelines.yml": "Bitbucket Pipelines",
    ".woodpecker": "Woodpecker",
    ".woodpecker.yml": "Woodpecker",
    ".woodpecker.yaml": "Woodpecker",
    ".tekton": "Tekton",
    ".cirrus.yml": "Cirrus CI",
    ".semaphore": "Semaphore",
    "appveyor.yml": "AppVeyor",
    ".appveyor.yml": "AppVeyor",
    "cloudbuild.yaml": "Cloud Build",
    "buildspec.yml": "CodeBuild",
    "codefresh.yml": "Codefresh",
    "bitrise.yml": "Bitrise",
    "netlify.toml": "Netlify",
    "vercel.json": "Vercel",
    ".readthedocs.yaml": "Read the Docs",
    ".readthedocs.yml": "Read the Docs",
    ".pre-commit-config.yaml": "pre-commit.ci",
}
_NONE: Final = "No automation of the repository that can be seen from here runs for it."
_NOT_STARTED: Final = (
    "No workflow of the forge itself: it starts none for what this kind of account pushes, or only"
    " once somebody approves it."
)


_CI_NOT_STARTED: Final = (
    "CI did not start: the forge starts none for what this account pushes. Push a commit, or close"
    " and reopen the pull request, to start it."
)
CI_WAITS: Final = (
    "CI did not start: it waits for somebody who may write here to approve the workflows of a first"
    " contribution."
)


@dataclass(frozen=True)
class Automation:
    """A sentence for each workflow that runs and each other system that may.

    `caution`: what a reader of the pull request must know of it. `may_wait`: whether workflows run
    that may have to be approved first.
    """

    notes: tuple[str, ...]
    caution: str = ""
    may_wait: bool = False


async def read_automation(
    forge: Forge, git: Git, run: RunFolder, tree: str, target: Target
) -> Automation:
    """What runs for a publication. Raises GitFailed.

    `tree` is what is pushed: it has the base's workflows, or those that the request allowed.
    """
    roots, listed = await asyncio.gather(
        _list(git, run, "--name-only", tree), _list(git, run, "-l", tree, forge.workflows)
    )
    others = _other_systems([shown_path(root) for root in roots])
    workflows = [entry for entry in map(_workflow, listed) if entry]
    started = replace(target, starts_automation=True)
    notes = await asyncio.to_thread(
        _workflow_notes, forge, run, workflows[:_MAX_WORKFLOWS], started
    )
    if not target.starts_automation:
        return Automation((_NOT_STARTED, *others), _CI_NOT_STARTED if notes else "")
    may_wait = target.fork and bool(notes)
    if len(workflows) > _MAX_WORKFLOWS:
        notes.append(f"{len(workflows) - _MAX_WORKFLOWS} more workflows were not looked at.")
    return Automation((*notes, *others) or (_NONE,), may_wait=may_wait)


async def _list(git: Git, run: RunFolder, *arguments: str) -> list[bytes]:
    objects = run_objects(str(run.objects))
    command = ("ls-tree", "-z", "--full-tree", *arguments)
    listed = await git.output(*command, git_dir=str(run.base_git), environment=objects)
    return listed.split(b"\0")[:-1]


def _workflow(entry: bytes) -> tuple[str, str, int] | None:
    """Path, object and size of a workflow, of `mode type object size TAB path`."""
    facts, _, path = entry.partition(b"\t")
    mode, kind, sha, size = facts.split()
    if kind != b"blob" or mode == b"120000" or not path.endswith((b".yml", b".yaml")):
        return None
    return shown_path(path), sha.decode("ascii"), int(size)


def _workflow_notes(
    forge: Forge, run: RunFolder, workflows: list[tuple[str, str, int]], target: Target
) -> list[str]:
    notes = []
    with open_blobs(run) as blobs:
        for path, sha, size in workflows:
            content = blobs.read(sha) if size <= _MAX_FILE else None
            if note := forge.explain_workflow(content, target):
                notes.append(f"{code(path, _MAX_PATH)} {note}.")
    return notes


def _other_systems(roots: list[str]) -> list[str]:
    found = {_SYSTEMS[root]: root for root in reversed(roots) if root in _SYSTEMS}
    return [
        f"{code(root, _MAX_PATH)} {system} may run, with rights that cannot be seen from here."
        for system, root in found.items()
    ]
