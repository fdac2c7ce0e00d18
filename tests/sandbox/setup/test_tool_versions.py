"""Which versions of tools a tree has, as they say themselves."""

from pathlib import Path

import pytest

from graph.environment import Environment
from sandbox.setup.tool_versions import read_versions, versions_by_folder, versions_in
from tests.support.sandbox.sample_run import SampleRun, sample_run

pytestmark = pytest.mark.sandbox

METADATA = "mkdir -p ~/venvs/a/bin ~/lib/pytest-9.8.7.dist-info && cd ~/lib/pytest-*.dist-info"
VENV = f"""\
{METADATA} && printf 'Metadata-Version: 2.1\\nName: pytest\\nVersion: 9.8.7\\n' > METADATA
printf '#!/bin/sh\\nPYTHONPATH=~/lib exec /usr/bin/python3 "$@"\\n' > ~/venvs/a/bin/python3
printf '#!/bin/sh\\necho v21.2.3-odd\\n' > ~/venvs/a/bin/node
chmod +x ~/venvs/a/bin/*
"""


HAS_ALL = Environment(paths={"": ("/home/agent/venvs/a/bin",)})


def sample(data: Path, *manifests: str) -> SampleRun:
    package = '{"name": "jest",\n  "version": "29.1.0-rc.1"\n}\n'
    files = {"web/node_modules/jest/package.json": package, "x": ""}
    return sample_run(data, {**files, **dict.fromkeys(manifests, "")})


async def versions(run: SampleRun, environment: Environment, command: str = "") -> dict[str, str]:
    sandbox = await run.open()
    assert (await sandbox.run(f"{VENV}\n{command}")).exit_code == 0
    return versions_in(await read_versions(sandbox, environment))


async def test_the_tools_of_a_folder_s_environment_are_told(data_dir: Path) -> None:
    environment = Environment(paths={"web": HAS_ALL.paths[""]})
    run = sample(data_dir, "web/setup.py", "other/package.json")
    found = await versions(run, environment)
    expected = {"pytest": "9.8.7", "jest": "29.1.0-rc.1", "node": "21.2.3"}
    assert expected.items() <= found.items()
    both = Environment(paths={**environment.paths, "other": ()})
    of_each = versions_by_folder(await read_versions(await run.open(), both))
    assert of_each["web"].items() >= expected.items()
    assert "pytest" not in of_each.get("other", {})


async def test_tools_of_other_languages_are_not_asked(data_dir: Path) -> None:
    run = sample_run(data_dir, {"setup.py": "", "x": ""})
    found = await versions(
        run, HAS_ALL, "printf '#!/bin/sh\\ntouch ~/asked\\n' > ~/venvs/a/bin/node"
    )
    assert found["pytest"] == "9.8.7"
    sandbox = await run.open()
    assert (await sandbox.run("test -e ~/asked")).exit_code == 1


async def test_what_a_tool_says_that_is_no_version_is_left_out(data_dir: Path) -> None:
    says = "printf '#!/bin/sh\\necho pytest 1.0 and more; printf \"a\\\\000b 1\\\\n\"\\n'"
    run = sample(data_dir, "setup.py")
    found = await versions(run, HAS_ALL, f"{says} > ~/venvs/a/bin/python3")
    assert "pytest" not in found


@pytest.mark.slow
async def test_a_tool_that_never_ends_keeps_nobody_waiting_for_long(data_dir: Path) -> None:
    run = sample(data_dir, "setup.py")
    hangs = "printf '#!/bin/sh\\nsleep 500\\n' > ~/venvs/a/bin/node"
    assert (await versions(run, HAS_ALL, hangs))["python"]
