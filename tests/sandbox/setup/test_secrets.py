"""Variables that set-up gets: of which trees, masked where they are said, and never kept."""

import base64
import io
import shlex
import tarfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from graph.environment import Environment, EnvironmentCommand
from graph.errors import SetupFailed
from sandbox.backends.docker.backend import Docker
from sandbox.core.metrics import CommandMetrics
from sandbox.core.protocol import Limits, TreeSpec
from sandbox.setup.networked import NetworkedSetUp
from sandbox.setup.secrets import NO_SECRETS, SetupSecrets
from sandbox.trees.local_trees import LocalSandboxes
from tests.standins.docker import calls
from tests.standins.package_index import PackageIndex
from tests.support.graph.environments import environment_of
from tests.support.sandbox.docker_backend import on_stand_in
from tests.support.sandbox.local_tree import make_backend
from tests.support.sandbox.modal_trees import modal_run, on_plane
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

SECRET = "tok-it's-0123456789-abcdef"
LIMITS = Limits(timeout_s=30)
GIVEN = {"ada/sample": {"INDEX_TOKEN": SecretStr(SECRET)}}
SAW = 'echo "${INDEX_TOKEN:-none}" | sha256sum > saw'
KNOWN = 'test "$(cat saw)" = "$(printf "%s\\n" {} | sha256sum)"'


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageIndex]:
    with PackageIndex(tmp_path_factory.mktemp("index")) as index:
        yield index


@pytest_asyncio.fixture(params=["bubblewrap", "docker", "modal"])
async def run(
    request: pytest.FixtureRequest, data_dir: Path, index: PackageIndex
) -> AsyncIterator[SampleRun]:
    """On each backend; what all processes of docker and Modal are started with holds none."""
    sample = sample_run(data_dir, {"requirements.txt": "tiny\n"})
    if request.param == "modal":
        async with modal_run(sample, LIMITS) as on_modal:
            yield on_plane(on_modal.plane, sample, LIMITS, setup_secrets=GIVEN).run
            made = on_modal.plane.sandboxes.by_id.values()
            asked = [known.command for each in made for known in each.execs.values()]
            assert asked
            assert SECRET not in str(asked)
        return
    on_docker = request.param == "docker"
    backend = Docker(on_stand_in(data_dir, LIMITS)) if on_docker else make_backend(data_dir)
    set_up = NetworkedSetUp(
        backend=backend,
        hosts=(index.host,),
        shared=data_dir / "setups",
        metrics=CommandMetrics(),
        secrets=GIVEN,
    )
    yield replace(
        sample, sandboxes=LocalSandboxes(runs=sample.runs, backend=backend, set_up=set_up)
    )
    assert not list((data_dir / "setups").glob(".new-*"))
    if on_docker:
        assert SECRET not in str(calls(data_dir / "programs"))


async def test_the_set_up_of_the_untouched_base_alone_has_them(run: SampleRun) -> None:
    tree = await run.open("live", None, SAW)
    assert (await tree.run(KNOWN.format(shlex.quote(SECRET)))).exit_code == 0
    assert (await tree.run("env | grep -c INDEX_TOKEN")).text.strip() == "0"
    change = await run.make_change("echo more >> requirements.txt")
    changed = await run.open("validate-1", change, SAW)
    assert (await changed.run(KNOWN.format("none"))).exit_code == 0


async def test_commands_that_a_model_found_and_its_own_tree_have_none(run: SampleRun) -> None:
    by_rule = EnvironmentCommand(command=SAW)
    found = EnvironmentCommand(
        command='echo "${INDEX_TOKEN:-none}" > seen; cat saw >> seen', source="model"
    )
    rules = Environment(commands=(by_rule,))
    both = Environment(commands=(by_rule, found), maker="run")
    tree = await run.sandboxes.open(RUN, TreeSpec("live", run.base, environment=both))
    assert (await tree.run(KNOWN.format(shlex.quote(SECRET)))).exit_code == 0
    assert (await tree.run("head -1 seen")).text.strip() == "none"
    spec = TreeSpec("setup-turn", run.base, environment=rules, reaches_hosts=True)
    turn = await run.sandboxes.open(RUN, spec)
    assert (await turn.run(KNOWN.format(shlex.quote(SECRET)))).exit_code == 0
    assert (await turn.run("env | grep -c INDEX_TOKEN")).text.strip() == "0"
    assert (await turn.run("echo ${UV_OFFLINE:-online}")).text.strip() == "online"
    await run.sandboxes.discard(RUN, "setup-turn")


async def test_another_repository_has_none(run: SampleRun) -> None:
    other = run.base.model_copy(update={"full_name": "ada/other"})
    spec = TreeSpec("live", other, None, environment_of([SAW]))
    tree = await run.sandboxes.open(RUN, spec)
    assert (await tree.run(KNOWN.format("none"))).exit_code == 0
    local = run.base.model_copy(update={"local": True})
    known = {"ada/sample": {"A": SecretStr(SECRET)}}
    assert SetupSecrets.of(TreeSpec("a", run.base), known).values == known["ada/sample"]
    assert SetupSecrets.of(TreeSpec("a", local), known).values == {}


async def test_they_are_masked_in_what_a_command_says(run: SampleRun) -> None:
    with pytest.raises(SetupFailed) as failed:
        await run.open("live", None, 'echo "at $INDEX_TOKEN"; echo "$INDEX_TOKEN" | base64; exit 3')
    told = f"{failed.value.message} {failed.value.hint} {failed.value!r}"
    assert SECRET not in told
    assert base64.b64encode(SECRET.encode()).decode()[:20] not in told
    assert "***" in failed.value.message


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ('mkdir -p ~/.cfg; echo "key=$INDEX_TOKEN" > ~/.cfg/index', "home/agent/.cfg/index"),
        ('echo "$INDEX_TOKEN" | base64 > built.txt', "workspace/built.txt"),
        ('ln -s "$INDEX_TOKEN" /tmp/link', "a name"),
        ('touch "/tmp/$INDEX_TOKEN"', "a name"),
    ],
)
async def test_what_holds_one_is_refused_with_the_path(
    run: SampleRun, data_dir: Path, command: str, path: str
) -> None:
    with pytest.raises(SetupFailed) as failed:
        await run.open("live", None, command)
    assert f"the variable INDEX_TOKEN, in {path}" in failed.value.message
    assert not list((data_dir / "setups").glob("*.tar"))


async def test_a_process_without_the_values_uses_what_was_made_with_them(data_dir: Path) -> None:
    """As a role's function on Modal, which is not given them."""
    sample = sample_run(data_dir, {"requirements.txt": "tiny\n"})
    async with modal_run(sample, LIMITS) as on_modal:
        without = {"ada/sample": {"INDEX_TOKEN": SecretStr("")}}
        role = on_plane(on_modal.plane, sample, LIMITS, setup_secrets=without).run
        early = await role.open("early", None, SAW)
        assert (await early.run(KNOWN.format("none"))).exit_code == 0
        service = on_plane(on_modal.plane, sample, LIMITS, setup_secrets=GIVEN).run
        for process, name in ((service, "live"), (role, "late")):
            tree = await process.open(name, None, SAW)
            assert (await tree.run(KNOWN.format(shlex.quote(SECRET)))).exit_code == 0


def test_one_that_lies_over_two_pieces_is_found(tmp_path: Path) -> None:
    archive, size = tmp_path / "a.tar", (1 << 20) - 5
    content = bytes(size) + SECRET.encode() + bytes(1 << 20)
    with tarfile.open(archive, "w") as made:
        member = tarfile.TarInfo("workspace/large")
        member.size = len(content)
        made.addfile(member, io.BytesIO(content))
    secrets = SetupSecrets({"INDEX_TOKEN": SecretStr(SECRET)})
    with pytest.raises(SetupFailed, match="workspace/large"):
        secrets.check_archive(archive)
    NO_SECRETS.check_archive(archive)
