"""Packages that come by git or from an address: they are left out, and the others are installed."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from sandbox.discovery.find_setup import plan_setup
from sandbox.ecosystems.install_step import InstallStep
from tests.support.needed_programs import needs
from tests.support.sandbox.listed_files import listed


def install_of(files: dict[str, str]) -> InstallStep:
    return plan_setup(listed(files)).steps[-1].step


def manifest(**packages: object) -> str:
    return json.dumps({"devDependencies": packages}, indent=1)


@pytest.mark.parametrize(
    "source",
    [
        *("github:ada/tiny", "ada/tiny", "ada/tiny#semver:^1", "git+ssh://git@own.example/t.git"),
        *("git@github.com:ada/tiny.git", "https://own.example/t.tgz", "gist:0f", "git://a/b"),
    ],
)
def test_a_package_from_elsewhere_is_a_part_of_its_own(source: str) -> None:
    step = install_of({"package.json": manifest(tiny=source, other="^1.0.0")})
    assert [part.what for part in step.parts] == [step.what, "`tiny`"]


@pytest.mark.parametrize(
    "source",
    [
        *("^1.0.0", "latest", "1 - 2", "file:../tiny", "../tiny", "./a/b", "~/a", "", "/a/b"),
        *("workspace:*", "npm:@ada/tiny@1", "link:a/b", "catalog:", "patch:a@npm:1#x", 7, None),
    ],
)
def test_what_a_registry_or_the_repository_has_is_not(source: object) -> None:
    assert install_of({"package.json": manifest(tiny=source)}).parts == ()


def test_packages_of_a_workspaces_members_count() -> None:
    files = {
        "package.json": '{"workspaces": ["a"]}',
        "a/package.json": manifest(tiny="ada/tiny"),
        "examples/package.json": manifest(shown="ada/shown"),
    }
    assert [part.what for part in install_of(files).parts][1:] == ["`tiny`"]
    alone = {**files, "package.json": "{}"}
    steps = [each.step for each in plan_setup(listed(alone)).steps if not each.folder]
    assert all(step.parts == () for step in steps)


@needs("node")
@pytest.mark.parametrize("manager", ["npm", "pnpm", "yarn", "bun"])
def test_the_others_are_installed_and_the_manifest_stays(tmp_path: Path, manager: str) -> None:
    fails = "grep -q github: package.json && exit 1"
    tools = {
        manager: f"echo x >> yarn.lock; echo x >> bun.lockb; {fails}; cp package.json seen",
        "npm": "echo http://r",
    }
    if manager == "npm":
        tools = {"npm": f"{fails}; cp package.json seen"}
    for name, script in tools.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    packages = manifest(tiny="github:ada/tiny", other="^1.0.0")
    locks = {"npm": "package-lock.json", "pnpm": "pnpm-lock.yaml", "yarn": "yarn.lock"}
    locks["bun"] = "bun.lockb"
    files = {"package.json": packages, locks[manager]: "# as it was\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    whole, left_out = install_of(files).parts
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for part, code in ((whole, 0), (left_out, 1)):
        words = ["bash", "-c", part.command]
        assert subprocess.run(words, cwd=tmp_path, env=environment, check=False).returncode == code
    seen = json.loads((tmp_path / "seen").read_text())
    assert seen == {"devDependencies": {"other": "^1.0.0"}}
    assert {name: (tmp_path / name).read_text() for name in files} == files
