"""The wheel in a fresh environment elsewhere: all is in it, and it works without a checkout."""

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path
from typing import Final

import pytest

from coding_agent.name_clash import FOR_COMMANDS
from demo.temporary_folder import temporary_folder

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]
ROOT: Final = Path(__file__).parents[3]
SYSTEM: Final = "/usr/local/bin:/usr/bin:/bin"
PIP: Final = (sys.executable, "-m", "pip", "--disable-pip-version-check")
OPENS: Final = """\
import asyncio, sys
import coding_agent
from local import open_graph

async def main() -> None:
    async with open_graph() as graph:
        print(sorted(graph.nodes))

assert coding_agent.open_graph is open_graph
asyncio.run(main())
print(sys.modules["local"].__file__, sys.modules["graph"].__file__)
"""


@dataclass(frozen=True)
class Installed:
    wheel: Path
    environment: Path
    elsewhere: Path

    def run(self, *line: str | Path) -> subprocess.CompletedProcess[str]:
        """A command where no checkout is, with nothing of this process's environment."""
        return subprocess.run(
            line,
            cwd=self.elsewhere,
            env={
                "PATH": SYSTEM,
                "HOME": str(self.elsewhere),
                "LANG": "C.UTF-8",
                "CODING_AGENT_DATA_DIR": str(self.elsewhere / "data"),
            },
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def installed() -> Iterator[Installed]:
    """Built from what git lists, installed beside the running environment's dependencies."""
    with temporary_folder() as folder:
        source, wheels, environment = (folder / name for name in ("source", "wheels", "venv"))
        for name in listed():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
        offline = ("--quiet", "--no-deps", "--no-index")
        build = ("wheel", *offline, "--no-build-isolation", "--wheel-dir", wheels, source)
        subprocess.run([*PIP, *build], check=True)
        (wheel,) = wheels.iterdir()
        venv.create(environment, with_pip=False, symlinks=True)
        python = environment / "bin" / "python3"
        subprocess.run([*PIP, "--python", python, "install", *offline, wheel], check=True)
        (packages,) = environment.glob("lib/python*/site-packages")
        # Such a line adds a folder, but not what .pth files there say: no editable finder.
        theirs = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
        (packages / "dependencies.pth").write_text("\n".join(theirs))
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir(mode=0o711)
        yield Installed(wheel, environment, elsewhere)


def listed() -> list[str]:
    """All files of the project that git lists and that are there."""
    line = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in told.split("\0") if (ROOT / name).is_file()]


def test_it_holds_all_of_the_product_and_nothing_else(installed: Installed) -> None:
    ours = {"coding_agent", *FOR_COMMANDS}
    product = {name for name in listed() if name.split("/")[0].removesuffix(".py") in ours}
    with zipfile.ZipFile(installed.wheel) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    launchers = {name for name in packed if ".data/scripts/" in name}
    assert packed - launchers == product
    names = {name.rpartition("/")[2] for name in launchers}
    assert names == {"coding-agent", "coding-agent.cmd"}


def test_its_metadata_says_what_it_is_and_where_it_comes_from(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        told = Parser().parsestr(wheel.read(name).decode())
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    (newest,) = re.findall(r"\A.*?^## (\S+)", changes, re.MULTILINE | re.DOTALL)
    assert told["Version"] == newest
    assert installed.run(installed.environment / "bin" / "coding-agent", "--version").stdout == (
        f"{newest}\n"
    )
    addresses = dict(line.split(", ") for line in told.get_all("Project-URL", []))
    assert {"Repository", "Documentation", "Changelog", "Issues", "Security"} <= set(addresses)
    assert all(address.startswith("https://") for address in addresses.values())
    assert told["License-Expression"] == "Apache-2.0"
    assert told["Description-Content-Type"] == "text/markdown"
    assert "Typing :: Typed" in told.get_all("Classifier", [])


def test_the_command_is_the_launcher(installed: Installed) -> None:
    command = installed.environment / "bin" / "coding-agent"
    assert command.read_bytes() == (ROOT / "bin" / "coding-agent").read_bytes()
    link = installed.elsewhere / "linked"
    link.symlink_to(command)
    for called in (command, link):
        ended = installed.run(called, "--version")
        assert (ended.returncode, ended.stderr) == (0, "")


def test_the_demo_plays(installed: Installed) -> None:
    ended = installed.run(installed.environment / "bin" / "coding-agent", "demo", "--diff")
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    assert "✓ publish" in ended.stdout
    assert "+++ b/tinybill/" in ended.stdout  # the pull request's change
    *_, result, _, counts = ended.stdout.splitlines()
    assert result.startswith("Pull request #1: ")
    assert " files changed, " in counts


def test_the_graph_opens(installed: Installed) -> None:
    script = installed.elsewhere / "script.py"
    script.write_text(OPENS)
    ended = installed.run(installed.environment / "bin" / "python3", script)
    assert (ended.returncode, ended.stderr) == (0, "")
    nodes, files = ended.stdout.splitlines()
    assert "'publish'" in nodes
    assert all(file.startswith(f"{installed.environment}/lib/") for file in files.split())
