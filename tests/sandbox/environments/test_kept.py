"""What set-up made serves another base as long as nothing that it read is another."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from graph.environment import Environment
from graph.files.run_folder import RunFolder
from sandbox.backends.base.backend import BackendOptions
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.core.metrics import CommandMetrics
from sandbox.core.protocol import Limits
from sandbox.environments.service import SandboxEnvironments
from sandbox.setup.networked import NetworkedSetUp
from sandbox.tree.run_folder import make_run_folder
from sandbox.trees.local_trees import LocalSandboxes
from tests.standins.package_index import PackageIndex
from tests.support.needed_programs import needs
from tests.support.sandbox.sample_run import SampleRun, git, read_base, sample_run
from tests.support.sandbox.watched_sandboxes import WatchedSandboxes

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

WHEEL = "/tiny-1.0-py3-none-any.whl"
PYPROJECT = '[project]\nname = "app"\nversion = "1"\nreadme = "README.md"\n'
EXTENSION = (
    "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('a', ['a.c'])])\n"
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageIndex]:
    with PackageIndex(tmp_path_factory.mktemp("index")) as index:
        yield index


class Repository:
    """A repository that goes on; each of its commits is the base of a run of its own."""

    def __init__(self, data: Path, index: PackageIndex, files: dict[str, str | bytes]) -> None:
        self.data, self.index = data, index
        index.asked.clear()
        made = sample_run(data, {"ca.pem": index.certificate, "requirements.txt": "tiny\n"} | files)
        backend = Bubblewrap(BackendOptions(limits=Limits(timeout_s=60), state=data / "state"))
        set_up = NetworkedSetUp(
            backend=backend,
            hosts=(index.host,),
            shared=data / "setups",
            metrics=CommandMetrics(),
        )
        sandboxes = LocalSandboxes(runs=made.runs, backend=backend, set_up=set_up)
        self.watched = WatchedSandboxes(sandboxes)
        self.run: SampleRun = replace(made, sandboxes=self.watched)
        self.count = 0

    async def environment(self, *files: tuple[str, str], install: str = "") -> Environment:
        """Of the base after these files were written, in a run of its own."""
        self.count += 1
        run_id, source = f"run-{self.count}", self.data / "source"
        for name, text in files:
            (source / name).write_text(text)
        git(source, "add", "-A")
        git(source, "commit", "-q", "--allow-empty", "-m", "Go on")
        make_run_folder(self.run.runs, run_id)
        base_git = RunFolder.of(self.run.runs, run_id).base_git
        shutil.rmtree(base_git, ignore_errors=True)
        git(self.data, "clone", "-q", "--bare", "--template=", str(source), str(base_git))
        environments = SandboxEnvironments(
            sandboxes=self.run.sandboxes, hosts=("registry.invalid",)
        )
        install = install or (
            f"pip install --cert ca.pem --index-url {self.index.url}/simple -r requirements.txt"
        )
        return await environments.prepare(run_id, read_base(source), (install,), 2**40)

    @property
    def installed(self) -> int:
        return self.index.asked[WHEEL]


@needs("pip")
async def test_a_commit_to_documents_or_sources_installs_nothing_anew(
    data_dir: Path, index: PackageIndex
) -> None:
    repository = Repository(data_dir, index, {"pyproject.toml": PYPROJECT, "app.py": "x = 1\n"})
    first = await repository.environment()
    later = await repository.environment(("README.md", "hello\n"), ("app.py", "x = 2\n"))
    assert (first.kept, later.kept, later.key == first.key) == (False, True, True)
    assert repository.installed == 1
    assert len(repository.watched.opened) == 2  # to be read; no tree of what is made is opened
    assert first.tools == later.tools
    assert re.fullmatch(r"3\.\d+\.\d+", first.tools["python"])
    assert "node" not in first.tools  # no folder is a package of JavaScript
    assert not (await repository.environment(("requirements.txt", "tiny\n# again\n"))).kept
    assert not (await repository.environment(("pyproject.toml", PYPROJECT + "\n"))).kept
    assert not (await repository.environment(("uv.lock", ""))).kept
    assert repository.installed == 4


@needs("pip")
async def test_where_sources_are_built_any_commit_installs_anew(
    data_dir: Path, index: PackageIndex
) -> None:
    repository = Repository(data_dir, index, {"setup.py": EXTENSION, "a.c": "int a;\n"})
    assert not (await repository.environment()).kept
    assert (await repository.environment()).kept  # the same files in another commit
    assert not (await repository.environment(("a.c", "long a;\n"))).kept
    assert repository.installed == 2


@needs("pip")
async def test_a_host_that_only_the_repository_names_is_told_with_the_line_that_opens_it(
    data_dir: Path, index: PackageIndex
) -> None:
    npmrc = f"registry=https://own.example/\n@open:registry={index.url}\n"
    repository = Repository(data_dir, index, {"package.json": "{}", ".npmrc": npmrc})
    script = "curl -s https://asked.example/ || true"
    (repository.data / "source" / "fetch.sh").write_text(script)
    for _ in range(2):  # also where it is kept
        made = await repository.environment(install="sh fetch.sh")
        told = {left.what: left.why.rpartition(" ")[2] for left in made.left_out}
        assert told == {
            "own.example": "CODING_AGENT_SETUP_HOSTS=auto,own.example",
            "asked.example": "CODING_AGENT_SETUP_HOSTS=auto,asked.example",
        }
