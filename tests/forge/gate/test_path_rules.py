"""Paths, modes and links that a change may not have."""

import re
import time
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge.gate import path_patterns
from forge.gate.path_rules import (
    Entry,
    folded_path,
    is_git_like,
    judge_locks,
    judge_mode,
    judge_path,
    leaves_tree,
)

SHA = "1" * 40


def entry(path: str, mode: str = "100644", *, removed: bool = False) -> Entry:
    raw = path.encode("utf-8", "surrogateescape")
    return Entry(raw, mode, "" if removed else SHA, "100644" if removed else "000000", "")


def rules(path: str, mode: str = "100644", *, removed: bool = False) -> list[str]:
    judged = entry(path, mode, removed=removed)
    return [verdict.rule for verdict in (*judge_path(judged), *judge_mode(judged))]


@pytest.mark.parametrize(
    "path",
    [
        *("README.md", "src/app.py", ".gitignore", ".gitattributes", ".github/ISSUE_TEMPLATE/a.md"),
        *("docs/workflows/x.yml", "git/config", "x.git/config", ".gitx", "a.vscode/x", "agents.py"),
        *("src/actions.yml", "jenkins.py", "codeowners.py", "src/claude.py", "with\nnewline", "ü"),
        *("docs/azure.yml", ".vscode/extensions.json", "workflows/ci.yml", "transaction.yml"),
        *("src/agents/base.py", "hooks/useState.ts", "docs/agents.md", "src/settings.json"),
        *("src/mise/core.py", "docs/mise/guide.md", "src/rules/a.rs", "owners.py", "app.json"),
        *("pyproject.toml", "package.json", "Makefile", "Dockerfile", "config.toml", "src/.env"),
        *(
            "project.clj",
            "src/settings/base.py",
            ".editorconfig",
            "src/run/a.py",
            "rust/toolchain.rs",
        ),
        *("src/project.xml", "HEAD", "docs/refs/x", ".gitlab/issue_templates/Bug.md", "svn/a.py"),
    ],
)
def test_usual_paths_pass(path: str) -> None:
    assert rules(path) == []


@pytest.mark.parametrize(
    "path",
    [
        *(".github/workflows/ci.yml", ".GitHub/Workflows/ci.yml", ".github/actions/x/run.sh"),
        *(".github/workflows", ".github/dependabot.yml", "action.yml", "sub/action.yaml"),
        *(".gitlab-ci.yml", "sub/.gitlab-ci.yml", ".circleci/config.yml", "Jenkinsfile"),
        *("ci/Jenkinsfile.release", "azure-pipelines.yml", "azure-pipelines-ci.yaml"),
        *(".travis.yml", ".drone.yml", "bitbucket-pipelines.yml", ".buildkite/pipeline.yml"),
        *("appveyor.yml", ".cirrus.yml", "cloudbuild.yaml", ".woodpecker/x.yml"),
        *(".gitea/workflows/x.yml", ".forgejo/workflows/x.yml", ".gitlab/ci/build.yml"),
        *(
            ".tekton/pr.yaml",
            ".harness/x.yaml",
            ".semaphore/semaphore.yml",
            ".teamcity/settings.kts",
        ),
        *(
            "jobs/deploy.Jenkinsfile",
            ".drone.star",
            "bitrise.yml",
            "codefresh.yml",
            ".zuul.d/x.yaml",
        ),
        *("renovate.json", ".renovaterc", ".github/renovate.json5", ".dependabot/config.yml"),
        *(".pre-commit-config.yaml", ".pre-commit-hooks.yaml", ".husky/pre-commit", "lefthook.yml"),
        *(".githooks/post-checkout", ".github/settings.yml", ".mergify.yml", "netlify.toml"),
        *(".readthedocs.yaml", ".builds/alpine.yml", ".build.yml", ".azure-pipelines/x.yml"),
    ],
)
@pytest.mark.parametrize("removed", [False, True])
def test_automation_is_a_rule_of_its_own(path: str, removed: bool) -> None:
    assert rules(path, removed=removed) == ["workflows"]


@pytest.mark.parametrize(
    "path",
    [
        ".prow.yaml",
        ".prow/jobs.yaml",
        "atlantis.yaml",
        ".terrateam/config.yml",
        ".spacelift/config.yml",
        "buddy.yml",
        ".scrutinizer.yml",
        "codeship-steps.yml",
        ".rwx/ci.yml",
        ".depot/workflows/ci.yml",
        ".crow.yaml",
        ".radicle/native.yaml",
        ".azuredevops/dependabot.yml",
        ".trunk/trunk.yaml",
        ".moon/workspace.yml",
        ".ci-operator.yaml",
        ".packit.yaml",
        "packit.yaml",
        "garnix.yaml",
        ".space.kts",
        ".cirun.yml",
        ".cloudbuild.yaml",
        "ci/cloudbuild.yaml",
        "deploy/cloudbuild-prod.yaml",
        "service/buildspec.yml",
        ".overcommit.yml",
        ".simple-git-hooks.json",
        "simple-git-hooks.cjs",
        "web/.lintstagedrc.json",
        ".config/lefthook.yml",
        ".taskcluster.yml",
        ".copr/Makefile",
        "zuul.d/jobs.yaml",
        ".evergreen.yml",
        ".asf.yaml",
        ".kodiak.toml",
        ".scala-steward.conf",
        "bamboo-specs/bamboo.yml",
        "railway.toml",
        "ios/ci_scripts/ci_post_clone.sh",
        ".github/kodiak.toml",
        ".github/pull.yml",
        ".github/secret_scanning.yml",
        ".github/aw/imports/x.md",
        ".gitlab/triage.yml",
        ".shippable.yml",
        "shippable.jobs.yml",
        ".deepsource.toml",
        ".codeclimate.yml",
        ".qlty/qlty.toml",
        ".restyled.yaml",
        ".cm/gitstream.cm",
        ".config/wt.toml",
        "deploy.gitlab-ci.yml",
        ".gitlab-ci-build.yml",
        ".gitlab-ci/test.yml",
        ".gitness/build.yaml",
        ".lighthouse/jenkins-x/triggers.yaml",
        "jenkins-x-preview.yml",
        ".bluemix/pipeline.yml",
        "ci/build.jenkins",
        "dagger.json",
        ".hydra.json",
        "codecov.yml",
        ".lift.toml",
        "triagebot.toml",
        ".cargo-husky/hooks/pre-commit",
        "nixpacks.toml",
    ],
)
def test_automation_that_few_know_is_known(path: str) -> None:
    assert rules(path) == ["workflows"]


@pytest.mark.parametrize(
    "path",
    [
        ".config/mise/config.toml",
        "mise/config.toml",
        "mise.local.toml",
        ".rules",
        ".openhands/microagents/repo.md",
        ".openhands_instructions",
        ".kilocode/rules/x.md",
        ".kilocodemodes",
        ".roomodes",
        ".roorules-code",
        ".amp/settings.json",
        ".devin/config.json",
        ".augment-guidelines",
        ".idx/dev.nix",
        ".codeium/x",
        ".crush/x",
        "CRUSH.md",
        ".continuerc.json",
        ".aider.model.settings.yml",
        "docs/.agents/skills/x/SKILL.md",
        ".specify/memory/constitution.md",
        "analysis/.Rprofile",
        ".pdbrc",
        ".gdbinit",
        ".iex.exs",
        "project.sublime-project",
        "devbox.json",
        "devenv.nix",
        "devfile.yaml",
        "_vimrc",
        ".coderabbit.yaml",
        ".pr_agent.toml",
        "greptile.json",
        ".vscode/cmake-kits.json",
        ".rovodev/config.yml",
        ".bolt/prompt",
        ".qoder/rules/x.md",
        ".aiassistant/rules/x.md",
        "gptme.toml",
        "copilot-instructions.md",
        "java/.project",
        "java/.settings/org.eclipse.jdt.apt.core.prefs",
        ".externalToolBuilders/x.launch",
        ".factorypath",
        ".run/x.run.xml",
        "app.ipr",
        "App.suo",
        "app/App.csproj.user",
        ".bsp/sbt.json",
        "hie.yaml",
        "rust-analyzer.toml",
        ".lsp/config.edn",
        ".joyride/workspace_activate.cljs",
        ".theia/tasks.json",
        ".lazy.lua",
        ".rvmrc",
        ".ocamlinit",
        ".hg/hgrc",
        ".lfsconfig",
        ".kode/skills/x/SKILL.md",
        ".aider-desk/rules/x.md",
        ".pochi/config.jsonc",
        ".codex-plugin/plugin.json",
        ".github/plugin/marketplace.json",
        "gemini-extension.json",
        ".ai/guidelines/x.md",
        ".geminiignore",
        "REVIEW.md",
        ".metals/metals.lock.db",
        "notes/jupyter_notebook_config.py",
        ".ddev/config.yaml",
    ],
)
def test_agents_and_editors_that_few_know_are_known(path: str) -> None:
    assert rules(path) == ["agent_config"]


def test_the_list_of_paths_says_where_it_is_from_and_how_old_it_is() -> None:
    table = tomllib.loads(Path(path_patterns.__file__).with_name("acting_paths.toml").read_text())
    assert date(2026, 1, 1) < path_patterns.DATED <= datetime.now(UTC).date() + timedelta(days=1)
    tools = [tool for kind in table["kinds"] for tool in kind["tools"]]
    assert len({tool["name"] for tool in tools}) == len(tools) > 30
    for tool in tools:
        assert re.fullmatch(r"https://\S+|docs/\S+\.md", tool["source"])
        assert all(path == folded_path(path) for path in tool["paths"])


@pytest.mark.parametrize(
    "path",
    ["a/" * 2000 + "x", ".git" * 1000, "mise" * 1000 + ".toml", "jenkinsfile" * 400, "." * 4000],
)
def test_a_long_path_is_judged_in_no_time(path: str) -> None:
    began = time.process_time()
    rules(path)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "path",
    [
        *("CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS", ".gitea/CODEOWNERS"),
        *("OWNERS", "pkg/OWNERS", "OWNERS_ALIASES"),
    ],
)
def test_code_owners_are_a_rule_of_their_own(path: str) -> None:
    assert rules(path) == ["codeowners"]


@pytest.mark.parametrize(
    "path",
    [
        *(".claude/settings.json", "CLAUDE.md", "sub/CLAUDE.md", ".cursor/rules/x.mdc"),
        *(".vscode/tasks.json", ".devcontainer/devcontainer.json", ".devcontainer.json"),
        *(".cursorrules", ".mcp.json", "sub/.claude/hooks/x.sh", "GEMINI.md", ".claude"),
        *(
            "AGENTS.md",
            "sub/agents.md",
            "AGENTS.override.md",
            ".codex/config.toml",
            ".kiro/hooks/x",
        ),
        *(".junie/guidelines.md", "opencode.json", ".clinerules/01.md", ".windsurfrules", ".zed/x"),
        *(
            ".github/copilot-instructions.md",
            ".github/instructions/x.instructions.md",
            ".amazonq/x",
        ),
        *(".idea/workspace.xml", ".idea/watcherTasks.xml", "x.code-workspace", ".envrc", ".exrc"),
        *(".dir-locals.el", "sub/.dir-locals.el", ".nvim.lua", ".vs/launch.vs.json", ".gitpod.yml"),
        *(
            ".mise.toml",
            "mise.toml",
            ".vscode/settings.json",
            ".fleet/run.json",
            ".agents/skills/x",
        ),
    ],
)
def test_configuration_of_agents_and_editors_is_a_rule_of_its_own(path: str) -> None:
    assert rules(path) == ["agent_config"]


@pytest.mark.parametrize(
    "path",
    [
        *(".npmrc", "sub/.npmrc", ".yarnrc.yml", ".pip.conf", "pip.conf", ".pypirc", ".netrc"),
        *("uv.toml", ".cargo/config.toml", ".bundle/config", "NuGet.Config", ".bazelrc"),
        *(".mvn/extensions.xml", "gradle/wrapper/gradle-wrapper.jar", ".yarn/releases/yarn.cjs"),
        *(
            "gradlew",
            "app/mvnw.cmd",
            ".pnp.cjs",
            "rust-toolchain.toml",
            ".bazeliskrc",
            "tools/bazel",
        ),
    ],
)
def test_sources_of_packages_are_told(path: str) -> None:
    (verdict,) = judge_path(entry(path))
    assert (verdict.rule, verdict.severity) == ("package_source", "warning")


@pytest.mark.parametrize(
    "path",
    [
        *(
            "src/\u200bapp.py",
            "a\u202eb.py",
            "a\x1b[2J",
            "a\rb",
            "x\u3164",
            "a\U000e0041",
            "a\x9bb",
        ),
        *("a\u2028b", "a\u2029b"),
    ],
)
def test_a_name_that_hides_something_is_told(path: str) -> None:
    (verdict,) = judge_path(entry(path))
    assert (verdict.rule, verdict.severity) == ("hidden_text", "warning")


@pytest.mark.parametrize("path", ["with\nnewline", "\u2764\ufe0f.md", "caf\udce9.txt", "\u4e16.md"])
def test_a_name_that_is_merely_odd_is_not(path: str) -> None:
    assert judge_path(entry(path)) == []


def test_what_steers_later_runs_is_told() -> None:
    (verdict,) = judge_path(entry(".coding-agent.toml"))
    assert (verdict.rule, verdict.severity) == ("own_config", "warning")


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["package-lock.json"], ["package-lock.json"]),
        (["package-lock.json", "package.json"], []),
        (["yarn.lock", "packages/a/package.json"], []),
        (["a/package-lock.json", "b/package.json"], ["a/package-lock.json"]),
        (["uv.lock", "src/x.py"], ["uv.lock"]),
        (["uv.lock", "pyproject.toml"], []),
        (["Cargo.lock", "crates/a/Cargo.toml"], []),
        (["go.sum"], ["go.sum"]),
        (["Gemfile.lock", "poetry.lock"], ["Gemfile.lock", "poetry.lock"]),
        (["locks.py", "lock.json"], []),
    ],
)
def test_a_lock_file_comes_with_its_manifest(paths: list[str], found: list[str]) -> None:
    judged = list(judge_locks([entry(path) for path in paths]))
    assert [one.name for one, _ in judged] == found
    assert {verdict.severity for _, verdict in judged} <= {"warning"}


def test_many_lock_files_are_judged_in_one_pass() -> None:
    began = time.process_time()
    entries = [entry(f"p{number}/package-lock.json") for number in range(10_000)]
    assert len(list(judge_locks(entries))) == 10_000
    assert time.process_time() - began < 3


def test_a_lock_file_may_be_removed() -> None:
    assert list(judge_locks([entry("package-lock.json", removed=True)])) == []


@pytest.mark.parametrize(
    "part",
    [
        *(".git", ".GIT", ".Git ", ".git.", ".git. .", "git~1", "GIT~1", ".git:x", ".git::$DATA"),
        *(".g\u200cit", ".gi\ufefft", "\u200e.git", ".git\u202e", "git~2", "\uff0egit"),
    ],
)
def test_whatever_some_file_system_takes_for_git_is_found(part: str) -> None:
    assert is_git_like(part)
    assert "git_path" in rules(f"a/{part}/hooks/x")
    assert "git_path" in rules(part)


@pytest.mark.parametrize("part", [".gitignore", ".github", "git", "x.git", ".git_", "git~", "~1"])
def test_other_names_are_not(part: str) -> None:
    assert not is_git_like(part)


@pytest.mark.parametrize(
    ("mode", "found"),
    [
        *((mode, []) for mode in ("100644", "100755", "120000")),
        *((mode, ["mode"]) for mode in ("100600", "040000")),
        ("160000", ["gitlink"]),
    ],
)
def test_modes(mode: str, found: list[str]) -> None:
    assert rules("x", mode) == found


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        (".VSCODE/Tasks.JSON", "agent_config"),
        (".vscode./tasks.json", "agent_config"),
        (".github /workflows. /ci.yml", "workflows"),
        ("claude.md.", "agent_config"),
        (".git\u200chub/workflows/ci.yml", "workflows"),
        ("\uff23ODEOWNERS", "codeowners"),
    ],
)
def test_a_name_is_what_any_file_system_takes_it_for(path: str, rule: str) -> None:
    assert rules(path) == [rule]


@pytest.mark.parametrize("name", [".gitattributes", ".gitignore", ".mailmap", "a/.gitattributes"])
def test_what_git_reads_is_no_link(name: str) -> None:
    assert rules(name, "120000") == ["symlink"]


def test_new_submodules_are_found() -> None:
    assert rules(".gitmodules") == ["submodules"]
    assert rules(".gitmodules", removed=True) == []


@pytest.mark.parametrize(
    ("path", "target", "leaves"),
    [
        *((path, "x", False) for path in ("a", "a/b")),
        ("a/b", "../x", False),
        ("a/b/c", "../../x/y", False),
        ("a", "./b/c", False),
        ("a", "/etc/passwd", True),
        ("a", "..", True),
        ("a", "../x", True),
        ("a/b", "../../x", True),
        ("a/b", "x/../../..", True),
        ("a", "b/..", True),
        ("a", ".git/config", True),
        ("a/b", "../.GIT/hooks", True),
        ("a", "b\\..\\..\\c", True),
        ("a", "x\0/etc", True),
    ],
)
def test_links_stay_in_the_tree(path: str, target: str, leaves: bool) -> None:
    assert leaves_tree(path, target) is leaves


names = st.sampled_from(["a", "b", "..", ".", ""])


@given(st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=4), st.lists(names, max_size=6))
def test_a_link_that_passes_ends_in_the_tree(path: list[str], target: list[str]) -> None:
    if leaves_tree("/".join(path), "/".join(target)):
        return
    place = path[:-1]
    for part in target:
        if part == "..":
            place.pop()
        elif part not in ("", "."):
            place.append(part)


@given(st.text(min_size=1))
def test_every_path_is_judged(path: str) -> None:
    raw = path.encode("utf-8", "surrogatepass")
    judged = Entry(raw, "100644", SHA, "000000", "")
    judge_path(judged)
    judge_mode(judged)
