"""Versions of languages that a repository asks for, held against those that are there."""

import pytest

from sandbox.discovery.find_setup import versions_asked_for
from sandbox.ecosystems.asked_versions import asked_version, asked_versions, unmet
from sandbox.ecosystems.project import Project
from tests.support.sandbox.listed_files import listed

MANIFESTS = {"pyproject.toml": "", "package.json": "{}", "go.mod": "", "Cargo.toml": ""}


def asked(files: dict[str, str]) -> dict[str, tuple[str, str]]:
    found = asked_versions(Project(listed({**MANIFESTS, "Gemfile": "", **files})))
    return {each.tool: (each.version, each.file) for each in found}


@pytest.mark.parametrize(
    ("file", "text", "tool", "version"),
    [
        (".python-version", "3.12.4\n", "python", "3.12.4"),
        (".python-version", "# pinned\ncpython-3.13\n", "python", "3.13"),
        (".tool-versions", "python 3.12.4 3.11.9\n", "python", "3.12.4"),
        (".tool-versions", "# x\nnodejs   20.11.0 # lts\n", "node", "20.11.0"),
        (".tool-versions", "golang 1.22\r\n", "go", "1.22"),
        (".nvmrc", "v20\n", "node", "20"),
        (".node-version", "22.1.0", "node", "22.1.0"),
        ("go.mod", "module x\n\ngo 1.23.4\n\ntoolchain go1.24.1\n", "go", "1.23.4"),
        ("rust-toolchain", "1.75.0\n", "rustc", "1.75.0"),
        ("rust-toolchain.toml", '[toolchain]\nchannel = "1.80"\n', "rustc", "1.80"),
        (".ruby-version", "ruby-3.3.0\n", "ruby", "3.3.0"),
        ("Gemfile", 'source "x"\nruby "3.2.1"\n', "ruby", "3.2.1"),
    ],
)
def test_what_is_asked_for(file: str, text: str, tool: str, version: str) -> None:
    assert asked({file: text}) == {tool: (version, file)}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (".nvmrc", "lts/*\n"),
        (".python-version", "pypy3.10\n"),
        (".python-version", "system\n"),
        ("rust-toolchain.toml", '[toolchain]\nchannel = "stable"\n'),
        (".tool-versions", "terraform 1.9.0\n"),
        (".python-version", "9" * 60_000),
        (".tool-versions", "python " * 9_000),
    ],
)
def test_what_names_no_version_of_ours(file: str, text: str) -> None:
    assert asked({file: text}) == {}


def test_a_tool_without_its_manifest_is_not_told() -> None:
    project = Project(listed({".tool-versions": "golang 1.22\nnodejs 20\n", "package.json": "{}"}))
    assert [each.tool for each in asked_versions(project)] == ["node"]
    assert asked_version(project, "go") == "1.22"


@pytest.mark.parametrize(
    ("file", "text", "found", "met"),
    [
        (".python-version", "3.12.4", "3.12.1", True),
        (".python-version", "3.12.4", "3.13.0", False),
        (".python-version", "3", "3.11.2", True),
        ("go.mod", "go 1.22", "1.22.1", True),
        ("go.mod", "go 1.22.5", "1.22.1", False),
        ("go.mod", "go 1.9", "1.19.8", True),
        (".nvmrc", "20", "22.1.0", True),
        (".nvmrc", "20", "18.20.1", False),
        ("rust-toolchain", "1.80", "1.63.0", False),
    ],
)
def test_what_is_there_is_held_against_it(file: str, text: str, found: str, met: bool) -> None:
    wanted = asked_versions(Project(listed({**MANIFESTS, file: text})))
    left = unmet(wanted, {wanted[0].tool: found})
    assert (left == ()) == met
    if not met:
        assert left[0].what == f"{wanted[0].tool} {wanted[0].version}"
        assert f"`{file}` asks for it; {found} is there." in left[0].why
        assert "CODING_AGENT_TOOL_PATHS" in left[0].why


def test_a_tool_that_is_missing_is_told_where_any_is_known() -> None:
    wanted = asked_versions(Project(listed({"go.mod": "go 1.22\n"})))
    assert "none is there" in unmet(wanted, {"python": "3.11.2"})[0].why
    assert unmet(wanted, {}) == ()


def test_each_folder_that_is_set_up_asks_for_its_own() -> None:
    files = {
        "pyproject.toml": "",
        ".python-version": "3.12",
        "server/pyproject.toml": "",
        "server/.python-version": "3.13",
        "server/tests/test_a.py": "",
        "web/package.json": "{}",
        "web/.nvmrc": "22",
        "examples/old/setup.py": "",
        "examples/old/.python-version": "3.6",
    }
    wanted = versions_asked_for(listed(files))
    assert [each.path for each in wanted] == [
        ".python-version",
        "server/.python-version",
        "web/.nvmrc",
    ]
    found = {"python": "3.12.1", "node": "20.1.0"}
    left = unmet(wanted, found, {"": found, "server": {"python": "3.12.1"}})
    assert [each.what for each in left] == ["python 3.13", "node 22"]
    assert left[0].why.startswith("`server/.python-version` asks for it; 3.12.1 is there.")
    assert unmet(wanted[:2], found, {"server": {"python": "3.13.2"}}) == ()
