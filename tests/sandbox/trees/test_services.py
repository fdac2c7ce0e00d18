"""Services that run beside a command, in its own namespaces."""

import asyncio
import time
from pathlib import Path

import pytest

from graph.environment import LACKS_SERVICE, Environment, Service
from graph.values import Check
from sandbox.checks.service import SandboxChecks
from sandbox.core.metrics import CommandMetrics
from sandbox.core.protocol import Limits, Sandbox, TreeSpec
from sandbox.core.service_script import with_services
from sandbox.discovery.declared_services import read_services
from sandbox.environments.service import SandboxEnvironments
from sandbox.setup.networked import NetworkedSetUp
from sandbox.trees.local_trees import LocalSandboxes
from tests.support.needed_programs import needs
from tests.support.sandbox.local_tree import make_backend
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run

pytestmark = pytest.mark.sandbox

SERVER = Service(name="web", command="python3 -m http.server 8000 --bind 127.0.0.1", port=8000)
FETCH = (
    "python3 -c \"import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000').status)\""
)
DEAD = Service(name="dead", command="echo starting; echo no licence >&2; exit 3", port=8001)
MUTE = Service(name="mute", command="echo waiting; sleep 60", port=8002)


@pytest.fixture
def sample(data_dir: Path) -> SampleRun:
    return sample_run(data_dir, {"a.txt": "a\n"}, limits=Limits(timeout_s=60))


async def opened(run: SampleRun, *services: Service, name: str = "live") -> Sandbox:
    return await run.sandboxes.open(
        RUN, TreeSpec(name, run.base, environment=Environment(services=services))
    )


async def test_a_service_runs_beside_a_command_that_needs_it(sample: SampleRun) -> None:
    sandbox = await opened(sample, SERVER)
    for _ in range(2):
        result = await sandbox.run(FETCH, services="needed")
        assert (result.exit_code, result.text.strip()) == (0, "200")
    assert (await sandbox.run(FETCH)).exit_code == 1


async def test_command_and_input_are_as_without(sample: SampleRun) -> None:
    sandbox = await opened(sample, SERVER)
    long = f"cat; : {'x' * 200_000}; exit 7"
    for command in ("cat; exit 7", long):
        result = await sandbox.run(command, services="needed", stdin=b"in'put\n")
        assert (result.exit_code, result.text) == (7, "in'put\n")


async def test_one_that_ends_at_once_makes_the_command_unavailable(sample: SampleRun) -> None:
    sandbox = await opened(sample, SERVER, DEAD)
    result = await sandbox.run("touch ran", services="needed")
    assert result.exit_code == 127
    assert "The service dead ended before its port 8001 was ready." in result.text
    assert "no licence" in result.text
    assert (await sandbox.run("ls")).text == "a.txt\n"


async def test_one_that_never_opens_its_port(sample: SampleRun) -> None:
    sandbox = await opened(sample)
    result = await sandbox.run(with_services("touch ran", [MUTE], needed=True, patience_s=1))
    assert result.exit_code == 127
    assert (
        "The service mute did not have its port 8002 ready in 1 s. Its last lines:" in result.text
    )
    assert "waiting" in result.text


async def test_one_that_ends_while_the_command_runs(sample: SampleRun) -> None:
    brief = f"{SERVER.command} & sleep 1; echo out of memory; kill $!"
    sandbox = await opened(sample, SERVER.model_copy(update={"command": brief}))
    waits = "while python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 8000))'"
    result = await sandbox.run(f"{waits} 2>/dev/null; do :; done; exit 1", services="needed")
    assert result.exit_code == 127
    assert "The service web ended while the command ran" in result.text
    assert "out of memory" in result.text


async def test_what_only_wants_a_service_runs_without(sample: SampleRun) -> None:
    sandbox = await opened(sample, DEAD)
    first = await sandbox.run("echo ran", services="wanted")
    assert (first.exit_code, "no licence" in first.text) == (0, True)
    again = await sandbox.run("echo ran", services="wanted")
    assert again.exit_code == 0
    assert again.text.startswith("The service dead does not run")
    assert again.text.endswith("ran\n")


@pytest.mark.slow
async def test_nothing_of_a_service_outlives_the_command(sample: SampleRun) -> None:
    beats = "while :; do date +%N > /workspace/beat; sleep 0.05; done"
    forks = f"setsid bash -c '{beats}' & trap '' TERM; {SERVER.command}"
    sandbox = await opened(sample, SERVER.model_copy(update={"command": forks}))
    started = time.monotonic()
    result = await sandbox.run("while [ ! -s beat ]; do sleep 0.1; done", services="needed")
    assert result.exit_code == 0
    beat = (await sandbox.run("cat beat")).text
    await asyncio.sleep(0.5)
    assert (await sandbox.run("cat beat")).text == beat
    assert time.monotonic() - started < 30


async def test_a_service_is_ready_when_it_says_so(sample: SampleRun) -> None:
    command = f"(sleep 1; touch ready) & {SERVER.command}"
    slow = SERVER.model_copy(update={"command": command, "ready": "[ -e ready ]"})
    sandbox = await opened(sample, slow)
    result = await sandbox.run("ls ready", services="needed")
    assert (result.exit_code, result.text) == (0, "ready\n")


async def test_commands_of_a_tree_take_turns(sample: SampleRun) -> None:
    sandbox = await opened(sample, SERVER)
    command = f"[ ! -e busy ] && touch busy && {FETCH} && sleep 0.3; code=$?; rm busy; exit $code"
    results = await asyncio.gather(*(sandbox.run(command, services="needed") for _ in range(3)))
    assert [result.exit_code for result in results] == [0, 0, 0]


CONFIG = """\
validate = ["test \\"$GREETING\\" = hello && %s"]
env = {GREETING = "hello"}
services = [{command = "%s", port = 8000}%s]
"""


@pytest.mark.parametrize(
    ("more", "status"),
    [("", "passed"), (', {command = "no-such-server", port = 8003}', "unavailable")],
)
async def test_a_repository_declares_them(data_dir: Path, more: str, status: str) -> None:
    config = CONFIG % (FETCH.replace('"', '\\"'), SERVER.command, more)
    run = sample_run(data_dir, {".coding-agent.toml": config}, limits=Limits(timeout_s=60))
    checks = SandboxChecks(runs=run.runs, sandboxes=run.sandboxes)
    environments = SandboxEnvironments(sandboxes=run.sandboxes, hosts=())
    deadline = time.time() + 120
    environment = await environments.prepare(RUN, run.base, (), deadline)
    found: tuple[Check, ...] = (await checks.find(RUN, run.base, (), only=False)).checks
    baseline = await checks.baseline(RUN, run.base, environment, found, deadline)
    (report,) = baseline.commands
    assert report.status == status, report.output
    if more:
        assert "no-such-server: command not found" in report.output


async def test_a_change_is_not_to_blame_for_a_service_that_is_not_there(data_dir: Path) -> None:
    run = sample_run(data_dir, {"a.py": "x = 1\n"}, limits=Limits(timeout_s=60))
    checks = SandboxChecks(runs=run.runs, sandboxes=run.sandboxes)
    change = await run.make_change("echo 'x = 2' > a.py")
    environment = Environment(services=(DEAD,))
    asked = (Check(command="grep -q 1 a.py", source="caller"),)
    validation = await checks.validate(RUN, run.base, change, asked, environment, time.time() + 120)
    assert (validation.status, validation.new_failures) == ("unavailable", ())
    assert validation.commands[0].output.startswith(f"{LACKS_SERVICE}dead ended before")


@pytest.mark.slow
async def test_what_is_declared_holds_where_set_up_took_too_long(data_dir: Path) -> None:
    config = 'setup = ["sleep 60"]\nservices = ["redis"]\nenv = {A = "b"}\n'
    run = sample_run(data_dir, {".coding-agent.toml": config}, limits=Limits(timeout_s=60))
    environments = SandboxEnvironments(sandboxes=run.sandboxes, hosts=(), timeout_s=5)
    environment = await environments.prepare(RUN, run.base, (), time.time() + 120)
    assert [left.what for left in environment.left_out] == ["set-up"]
    assert [service.name for service in environment.services] == ["redis"]
    assert environment.variables["A"] == "b"


def known(name: str) -> tuple[tuple[Service, ...], dict[str, str]]:
    services, variables, notes = read_services([name])
    assert not notes
    return services, variables


@pytest.mark.slow
@needs("initdb", "psql")
async def test_postgres(sample: SampleRun) -> None:
    services, variables = known("postgres")
    environment = Environment(services=services, variables=variables)
    sandbox = await sample.sandboxes.open(
        RUN, TreeSpec("live", sample.base, environment=environment)
    )
    made = await sandbox.run("psql -c 'create table kept (a int)'", services="needed")
    assert made.exit_code == 0, made.text
    await sandbox.run("psql -c 'select pg_sleep(60)'", services="needed", timeout_s=5)
    found = await sandbox.run('psql "$DATABASE_URL" -Atc "table kept; select 1"', services="needed")
    assert (found.exit_code, found.text) == (0, "1\n")


@pytest.mark.slow
@needs("initdb", "psql", "createdb")
async def test_what_set_up_writes_to_a_database_is_kept(data_dir: Path) -> None:
    config = 'setup = ["createdb app"]\nservices = ["postgres"]\nenv = {PGDATABASE = "app"}\n'
    run = sample_run(data_dir, {".coding-agent.toml": config})
    backend = make_backend(data_dir, Limits(timeout_s=60))
    set_up = NetworkedSetUp(
        backend=backend, hosts=(), shared=data_dir / "setups", metrics=CommandMetrics()
    )
    sandboxes = LocalSandboxes(runs=run.runs, backend=backend, set_up=set_up)
    environments = SandboxEnvironments(sandboxes=sandboxes, hosts=("registry.invalid",))
    environment = await environments.prepare(RUN, run.base, (), time.time() + 120)
    tree = await sandboxes.open(RUN, TreeSpec("live", run.base, environment=environment))
    found = await tree.run("psql -Atc 'select current_database()'", services="needed")
    assert (found.exit_code, found.text) == (0, "app\n")


@pytest.mark.slow
@needs("redis-server", "redis-cli")
async def test_redis(sample: SampleRun) -> None:
    services, variables = known("redis")
    environment = Environment(services=services, variables=variables)
    sandbox = await sample.sandboxes.open(
        RUN, TreeSpec("live", sample.base, environment=environment)
    )
    result = await sandbox.run('redis-cli -u "$REDIS_URL" ping', services="needed")
    assert (result.exit_code, result.text) == (0, "PONG\n")
