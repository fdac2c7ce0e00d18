"""Changes that get no set-up of their own: what is said of them, in real sandboxes."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from graph.values import Check, Validation
from sandbox.backends.base.backend import BackendOptions
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.checks.service import SandboxChecks
from sandbox.core.metrics import CommandMetrics
from sandbox.core.protocol import Limits
from sandbox.environments.service import SandboxEnvironments
from sandbox.setup.networked import NetworkedSetUp
from sandbox.trees.local_trees import LocalSandboxes
from tests.standins.package_index import PackageIndex
from tests.support.graph.environments import environment_of
from tests.support.needed_programs import needs
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]
WITHHELD = [("stale", "requirements.txt")]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageIndex]:
    with PackageIndex(tmp_path_factory.mktemp("index")) as index:
        yield index


@pytest.fixture
def run(data_dir: Path, index: PackageIndex) -> SampleRun:
    files: dict[str, str | bytes] = {
        "app.py": "old\n",
        "requirements.txt": "tiny\n",
        "ca.pem": index.certificate,
    }
    made = sample_run(data_dir, files)
    backend = Bubblewrap(BackendOptions(limits=Limits(timeout_s=60), state=data_dir / "state"))
    set_up = NetworkedSetUp(
        backend=backend, hosts=(index.host,), shared=data_dir / "setups", metrics=CommandMetrics()
    )
    sandboxes = LocalSandboxes(runs=made.runs, backend=backend, set_up=set_up)
    return replace(made, sandboxes=sandboxes)


async def validate(run: SampleRun, change: str, check: str, setup: str) -> Validation:
    made = await run.make_change(change)
    diff = run.folder.diff(1)
    diff.parent.mkdir(exist_ok=True)
    shutil.copy(run.folder.patch(made), diff)
    environment = environment_of([setup]).model_copy(update={"fixed": True})
    checks = SandboxChecks(runs=run.runs, sandboxes=run.sandboxes)
    asked = (Check(command=check, source="caller"),)
    return await checks.validate(RUN, run.base, made, asked, environment, time.time() + 60)


def told(validation: Validation) -> list[tuple[str, str]]:
    return [(each.rule, each.path) for each in validation.findings]


@needs("pip")
@pytest.mark.parametrize(
    ("line", "module", "status"), [("other", "other", "unavailable"), ("# more", "tiny", "passed")]
)
async def test_what_is_missing_is_not_the_change_s_fault(
    run: SampleRun, index: PackageIndex, line: str, module: str, status: str
) -> None:
    install = f"pip install --cert ca.pem --index-url {index.url}/simple -r requirements.txt"
    change, check = f"echo '{line}' >> requirements.txt", f"python3 -c 'import {module}'"
    found = await validate(run, change, check, install)
    assert (found.status, found.new_failures, told(found)) == (status, (), WITHHELD)
    assert not list(run.folder.setups.glob("*.tar"))


async def test_what_was_built_of_the_base_s_sources_says_nothing_of_the_change(
    run: SampleRun,
) -> None:
    build, touch = "cat *.py > built", "echo '# more' >> requirements.txt"
    found = await validate(run, f"echo new > app.py; {touch}", "grep old built", build)
    assert (found.status, told(found)) == ("unavailable", WITHHELD)
    found = await validate(run, "echo new > app.py", "grep new built", build)
    assert (found.status, told(found)) == ("passed", [])


@pytest.mark.parametrize(
    ("hosts", "public", "fixed"),
    [
        (("auto",), False, True),
        (("auto",), True, False),
        (("auto", "index.example"), False, False),
        (("index.example",), False, False),
        ((), False, False),
    ],
)
async def test_it_is_withheld_where_nobody_named_hosts_for_what_is_not_public(
    run: SampleRun, hosts: tuple[str, ...], public: bool, fixed: bool
) -> None:
    environments = SandboxEnvironments(sandboxes=run.sandboxes, hosts=hosts)
    base = run.base.model_copy(update={"public": public})
    made = await environments.prepare(RUN, base, ("true",), time.time() + 60)
    assert made.fixed is fixed
