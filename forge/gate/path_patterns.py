"""Which paths act by themselves: on a forge, in an editor, at an agent, in a package manager."""

import re
from dataclasses import dataclass
from typing import Final

from graph import Severity


@dataclass(frozen=True)
class PathKind:
    """One kind of path; `allowable` kinds have the name of what a request may allow."""

    rule: str
    message: str
    pattern: re.Pattern[str]
    severity: Severity = "error"


def _paths(text: str) -> re.Pattern[str]:
    return re.compile(text, re.VERBOSE | re.DOTALL)


_WORKFLOWS: Final = _paths(
    r"""
      \.(github|gitea|forgejo)/(workflows|actions)(/.*)?
    | \.github/(dependabot|mergify|settings|labeler|auto_assign)\.ya?ml
    | (.*/)?action\.ya?ml
    | (.*/)?\.gitlab-ci\.ya?ml | \.gitlab/ci(/.*)? | \.gitlab/agents(/.*)?
    | \.(circleci|buildkite|woodpecker|semaphore|teamcity|builds|azure-pipelines|tekton)(/.*)?
    | \.(harness|zuul\.d|pipelines|kokoro|bitrise|codefresh|concourse|expeditor|drone)(/.*)?
    | (.*/)?jenkinsfile([.-].*)? | (.*/)?.*\.jenkinsfile
    | (.*/)?\.?azure-pipelines[^/]*\.ya?ml
    | \.(travis|drone|cirrus|woodpecker|build|appveyor|evergreen|zuul|gocd|vela)\.ya?ml
    | \.cirrus\.star | \.(drone|woodpecker)\.(jsonnet|star) | \.?screwdriver\.ya?ml
    | (appveyor|bitrise|codefresh|wercker|codemagic|cloudbuild|buildspec|zuul)\.(ya?ml|json)
    | bitbucket-pipelines\.ya?ml | (netlify\.toml|vercel\.json|render\.ya?ml|bors\.toml)
    | \.?readthedocs\.ya?ml | \.onedev-buildspec\.ya?ml
    | (.*/)?\.?pre-commit-(config|hooks)\.ya?ml | \.?lefthook(-local)?\.(ya?ml|toml|json)
    | (.*/)?\.(husky|githooks|hooks)(/.*)?
    | (\.github/|\.gitlab/)?(\.?renovate|\.renovaterc)(\.json5?)?
    | \.dependabot(/.*)? | \.?mergify(\.ya?ml|/.*)
    """
)
_CODEOWNERS: Final = _paths(r"((\.github|\.gitlab|docs)/)?codeowners")
_AGENT_CONFIG: Final = _paths(
    r"""
      (.*/)?\.(claude|cursor|codex|gemini|windsurf|continue|roo|cline|clinerules|devcontainer
              |junie|kiro|augment|amazonq|opencode|qwen|trae|agents|agent|factory|aider|zed
              |fleet|vs|idea|helix|codesandbox|gitpod)(/.*)?
    | (.*/)?(claude(\.local)?|gemini|qwen|warp)\.md | (?!docs?/)(.*/)?agents?(\.override)?\.md
    | (.*/)?\.(cursorrules|cursorignore|windsurfrules|roorules|goosehints|airules|replit)
    | (.*/)?\.?(mcp|opencode|crush|devcontainer)\.jsonc?
    | (.*/)?\.aider\.conf\.ya?ml | \.gitpod\.ya?ml | (.*/)?\.ona\.ya?ml
    | (.*/)?\.vscode/(tasks|launch|settings|mcp)\.json | (.*/)?[^/]*\.code-workspace
    | (.*/)?\.(envrc|autoenv|exrc|vimrc|nvimrc|nvim\.lua|dir-locals\.el|dir-locals-2\.el|lvimrc)
    | (.*/)?\.?mise(\.local)?\.toml | (.*/)?\.mise(/.*)? | (.*/)?\.rtx\.toml
    | \.github/(copilot-instructions\.md|(instructions|prompts|agents|chatmodes|hooks|skills)/.*)
    """
)
_PACKAGE_SOURCE: Final = _paths(
    r"""
      (.*/)?\.(npmrc|yarnrc(\.ya?ml)?|pnpmfile\.cjs|pypirc|netrc|gemrc|condarc|curlrc|wgetrc)
    | (.*/)?\.?pip\.conf | (.*/)?pip\.ini | (.*/)?(uv|poetry|bunfig)\.toml
    | (.*/)?\.cargo/config(\.toml)? | (.*/)?\.bundle/config | (.*/)?nuget\.config
    | (.*/)?\.mvn(/.*)? | (.*/)?gradle/wrapper/.* | (.*/)?\.yarn/(releases|plugins)/.*
    | (.*/)?\.?bazelrc | (.*/)?\.m2/settings\.xml | (.*/)?\.docker/config\.json
    """
)
PATH_KINDS: Final = (
    PathKind("workflows", "runs or configures the repository's automation", _WORKFLOWS),
    PathKind("codeowners", "says who must review changes", _CODEOWNERS),
    PathKind(
        "agent_config", "configures an agent or an editor that may run commands", _AGENT_CONFIG
    ),
    PathKind(
        "package_source",
        "says where packages come from, or with what they are built",
        _PACKAGE_SOURCE,
        "warning",
    ),
)

_LOCKS: Final = {
    "package-lock.json": ("package.json",),
    "npm-shrinkwrap.json": ("package.json",),
    "yarn.lock": ("package.json",),
    "pnpm-lock.yaml": ("package.json", "pnpm-workspace.yaml"),
    "bun.lock": ("package.json",),
    "bun.lockb": ("package.json",),
    "deno.lock": ("deno.json", "deno.jsonc", "package.json"),
    "poetry.lock": ("pyproject.toml",),
    "pdm.lock": ("pyproject.toml",),
    "uv.lock": ("pyproject.toml",),
    "pylock.toml": ("pyproject.toml",),
    "pipfile.lock": ("pipfile",),
    "cargo.lock": ("cargo.toml",),
    "go.sum": ("go.mod",),
    "gemfile.lock": ("gemfile",),
    "composer.lock": ("composer.json",),
    "packages.lock.json": (".csproj", ".fsproj", "directory.packages.props"),
    "gradle.lockfile": ("build.gradle", "build.gradle.kts"),
    "mix.lock": ("mix.exs",),
    "pubspec.lock": ("pubspec.yaml",),
    "package.resolved": ("package.swift",),
    "podfile.lock": ("podfile",),
    "flake.lock": ("flake.nix",),
    ".terraform.lock.hcl": (".tf",),
}


def lock_without_manifest(path: str, changed: frozenset[str]) -> bool:
    """Whether a lock file changes though nothing that it is made from does, here or above.

    Paths are folded. A workspace's lock lies above the manifests of its packages.
    """
    folder, _, name = path.rpartition("/")
    manifests = _LOCKS.get(name)
    if manifests is None:
        return False
    below = f"{folder}/" if folder else ""
    return not any(
        other.startswith(below) and other.rpartition("/")[2].endswith(manifests)
        for other in changed
        if other != path
    )
