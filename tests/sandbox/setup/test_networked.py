"""Set-up with a network in real sandboxes: what it reaches, and how its result is kept."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from graph.environment import Environment, EnvironmentCommand
from graph.errors import SetupFailed
from graph.files.run_folder import RunFolder
from graph.values import ChangeRef
from sandbox.backends.base.backend import BackendOptions
from sandbox.backends.base.local_backend import LocalBackend
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.backends.docker.backend import Docker
from sandbox.core.metrics import CommandMetrics
from sandbox.core.protocol import Limits, Sandbox, TreeSpec
from sandbox.setup.archive_cache import OLDEST_S, keep, tidy
from sandbox.setup.networked import NetworkedSetUp
from sandbox.tree.run_folder import make_run_folder
from sandbox.trees.local_trees import LocalSandboxes
from tests.standins import docker
from tests.standins.package_index import PackageIndex
from tests.support.graph.environments import environment_of
from tests.support.needed_programs import needs
from tests.support.sandbox.docker_backend import any_docker, on_stand_in
from tests.support.sandbox.local_tree import make_backend
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

OTHER = "run2"
# Fetches a path of the index by the proxy that the environment names.
FETCH = """\
import os, ssl, sys, urllib.request
context = ssl.create_default_context(cafile="ca.pem")
opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
print(opener.open(sys.argv[1], timeout=20).read().decode())
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageIndex]:
    with PackageIndex(tmp_path_factory.mktemp("index")) as index:
        yield index


def networked_set_up(backend: LocalBackend, hosts: tuple[str, ...], data: Path) -> NetworkedSetUp:
    shared = data / "setups"
    return NetworkedSetUp(backend=backend, hosts=hosts, shared=shared, metrics=CommandMetrics())


def networked(run: SampleRun, data: Path, *hosts: str) -> SampleRun:
    """The same run with set-up that reaches `hosts`."""
    backend = Bubblewrap(BackendOptions(limits=Limits(timeout_s=60), state=data / "state"))
    set_up = networked_set_up(backend, hosts, data)
    sandboxes = LocalSandboxes(runs=run.runs, backend=backend, set_up=set_up)
    return replace(run, sandboxes=sandboxes)


@pytest.fixture
def run(data_dir: Path, index: PackageIndex) -> SampleRun:
    index.asked.clear()
    files: dict[str, str | bytes] = {
        "app.py": "print('old')\n",
        "requirements.txt": "tiny\n",
        "fetch.py": FETCH,
        "ca.pem": index.certificate,
    }
    return networked(sample_run(data_dir, files), data_dir, index.host)


def second(run: SampleRun) -> SampleRun:
    """Another run over the same repository."""
    make_run_folder(run.runs, OTHER)
    shutil.copytree(run.folder.base_git, RunFolder.of(run.runs, OTHER).base_git)
    return run


def kept(folder: Path) -> list[str]:
    found = folder.iterdir() if folder.exists() else ()
    return sorted(path.name for path in found if path.suffix not in (".lock", ".report", ".files"))


async def said(sandbox: Sandbox, command: str) -> str:
    result = await sandbox.run(command)
    assert result.exit_code == 0, result.text
    return result.text.strip()


def fetch(index: PackageIndex, path: str) -> str:
    return f"python3 fetch.py {index.url}/{path} > fetched"


@needs("pip")
async def test_a_change_runs_what_a_model_found_anew_and_what_rules_found_only_where_it_reads_it(
    run: SampleRun, index: PackageIndex
) -> None:
    install = (
        f"python3 -m pip install --cert ca.pem --index-url {index.url}/simple -r requirements.txt"
    )
    found = "cat app.py > seen; python3 -c 'import tiny' && ls made-by-hand; true"
    environment = Environment(
        commands=(
            EnvironmentCommand(command=install),
            EnvironmentCommand(command=found, source="model"),
        ),
        maker="run",
    )

    async def opened(name: str, change: ChangeRef | None) -> str:
        spec = TreeSpec(name, run.base, change, environment)
        tree = await run.sandboxes.open(RUN, spec)
        return await said(tree, "cat seen; python3 -c 'import tiny; print(tiny.ANSWER)'")

    wheel = "/tiny-1.0-py3-none-any.whl"
    assert await opened("base", None) == "print('old')\n42"
    source = await run.make_change("echo 'print(1)' > app.py")
    assert await opened("validate-1", source) == "print(1)\n42"
    assert index.asked[wheel] == 1
    listed = await run.make_change("echo 'print(2)' > app.py; echo '# more' >> requirements.txt")
    assert await opened("validate-2", listed) == "print(2)\n42"
    assert index.asked[wheel] == 2


@needs("pip")
async def test_a_package_is_installed_once_and_every_tree_has_it(
    run: SampleRun, index: PackageIndex, data_dir: Path
) -> None:
    setup = (
        f"python3 -m pip install --cert ca.pem --index-url {index.url}/simple -r requirements.txt"
    )
    live = await run.open("live", None, setup)
    change = await run.make_change("echo 'print(1)' > app.py; echo new > new.py")
    validate = await run.open("validate-1", change, setup)
    spec = TreeSpec("live", run.base, None, environment_of([setup]))
    elsewhere = await second(run).sandboxes.open(OTHER, spec)
    for sandbox in (live, validate, elsewhere):
        assert await said(sandbox, "python3 -c 'import tiny; print(tiny.ANSWER)'") == "42"
        assert await said(sandbox, "ls -d /run 2>/dev/null; env | grep -ic proxy || true") == "0"
    assert await said(validate, "cat new.py app.py") == "new\nprint(1)"
    assert index.asked["/tiny-1.0-py3-none-any.whl"] == 1
    assert len(kept(data_dir / "setups")) == 1
    if os.geteuid() == 0:
        uid = (RunFolder.of(run.runs, OTHER).trees / "live" / "home" / ".local").stat().st_uid
        assert uid == make_backend(data_dir).uid_for_run(OTHER)


async def test_a_tree_that_alters_what_is_installed_alters_no_other(
    run: SampleRun, index: PackageIndex, data_dir: Path
) -> None:
    """Where files are shared, another boot of the machine and another result have their own."""
    library = "~/lib/site-packages/tiny.py"
    setup = f"mkdir -p ~/lib/site-packages; echo ANSWER = 42 > {library}"
    first = await run.open("live", None, setup)
    await first.run(f"echo ANSWER = 0 >> {library}; chmod u+w {library}; echo = 1 >> {library}")
    own = f"sed -i s/42/1/ {library}; chmod u+w {library}; echo '# mine' >> {library}"
    await said(first, own)
    other = await run.open("validate-1", None, setup)
    assert await said(other, f"cat {library}") == "ANSWER = 42"
    assert await said(first, f"tail -n 1 {library}") == "# mine"
    if os.geteuid() == 0:
        copies = [path for path in (data_dir / "setups").iterdir() if path.suffix == ".files"]
        assert len(copies) == 1
        tidy(data_dir / "setups", 1 << 30)
        assert copies[0].exists()
        os.utime(copies[0], (0, 0))
        tidy(data_dir / "setups", 1 << 30)
        assert not copies[0].exists()
        assert await said(other, f"cat {library}") == "ANSWER = 42"


async def test_what_set_up_makes_is_kept_and_tracked_files_stay_as_they_are(
    run: SampleRun, index: PackageIndex
) -> None:
    setup = (
        f"{fetch(index, 'a')}; mkdir -p deep/er && echo made > deep/er/'o d\nd' && ln -s /etc lnk;"
        "echo spoilt >> app.py; rm fetch.py; mkfifo pipe; echo home > ~/mine; echo tmp > /tmp/mine;"
        "chmod 750 deep; git config core.pager planted"
    )
    sandbox = await run.open("live", None, setup)
    assert await said(sandbox, "cat deep/er/* ~/mine /tmp/mine fetched") == "made\nhome\ntmp\nhello"
    told = await said(sandbox, "stat -c %a deep; readlink lnk; cat app.py")
    assert told == "750\n/etc\nprint('old')"
    assert await said(sandbox, "test -e fetch.py; git status --porcelain; ls /tmp") == "mine"
    assert await said(sandbox, "git config core.pager || echo none") == "none"
    assert await run.take(sandbox) == b""


@needs("pip")
async def test_a_change_to_what_set_up_reads_has_its_own_and_is_not_shared(
    run: SampleRun, index: PackageIndex, data_dir: Path
) -> None:
    install = f"pip install --cert ca.pem --index-url {index.url}/simple -r requirements.txt"
    code = await run.make_change("echo 'print(1)' > app.py")
    manifest = await run.make_change("echo '# more' >> requirements.txt", 2)
    for name, change in (("a", None), ("b", code), ("c", manifest), ("d", manifest)):
        await run.open(name, change, install)
    assert len(kept(data_dir / "setups")) == 1
    assert len(kept(run.folder.setups)) == 1
    build = "cp app.py built"
    built = [await run.open(f"built-{n}", change, build) for n, change in enumerate((None, code))]
    assert [await said(sandbox, "cat built") for sandbox in built] == ["print('old')", "print(1)"]
    assert len(kept(run.folder.setups)) == 2
    await run.sandboxes.close_run(RUN)
    assert not run.folder.setups.exists()
    assert len(kept(data_dir / "setups")) == 2


async def test_runs_at_the_same_time_make_it_once(
    run: SampleRun, index: PackageIndex, data_dir: Path
) -> None:
    again = networked(second(run), data_dir, index.host)  # as another process has it
    spec = TreeSpec("live", run.base, None, environment_of([fetch(index, "once")]))
    await asyncio.gather(run.sandboxes.open(RUN, spec), again.sandboxes.open(OTHER, spec))
    assert index.asked["/once"] == 1
    assert len(kept(data_dir / "setups")) == 1


async def test_what_is_stopped_in_the_middle_leaves_nothing_half(
    run: SampleRun, index: PackageIndex, data_dir: Path
) -> None:
    slow = f"{fetch(index, 'slow')}; sleep 60"
    making = asyncio.create_task(run.open("live", None, slow))
    while not index.asked["/slow"]:  # noqa: ASYNC110 - counted by another thread
        await asyncio.sleep(0.02)
    making.cancel()
    await asyncio.wait([making])
    assert (kept(data_dir / "setups"), run.trees()) == ([], [])
    sandbox = await run.open("live", None, fetch(index, "slow"))
    assert await said(sandbox, "cat fetched") == "hello"


KILLED = """\
import asyncio, os, signal, sys
from pathlib import Path
from sandbox.setup.archive_cache import keep

async def half(new):
    new.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(keep(Path(sys.argv[1]), half))
"""


async def test_a_process_that_is_killed_leaves_no_lock_and_no_half_for_the_whole(
    tmp_path: Path,
) -> None:
    file = tmp_path / "setups" / "a.tar"
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, str(file))
    assert await killed.wait() == -signal.SIGKILL
    assert [path[:5] for path in kept(file.parent)] == [".new-"]

    async def whole(new: Path) -> None:
        new.write_bytes(b"whole")

    async with asyncio.timeout(20):
        assert (await keep(file, whole)).read_bytes() == b"whole"
    assert file.stat().st_mode & 0o777 == 0o400


async def test_another_repository_branch_hosts_or_commands_share_nothing(
    run: SampleRun, index: PackageIndex, data_dir: Path
) -> None:
    setup = (fetch(index, "private"),)
    await run.sandboxes.open(RUN, TreeSpec("a", run.base, None, environment_of(setup)))
    other = run.base.model_copy(update={"address": "https://localhost/ada/other"})
    await run.sandboxes.open(RUN, TreeSpec("b", other, None, environment_of(setup)))
    wider = networked(run, data_dir, index.host, "more.example")
    await wider.sandboxes.open(RUN, TreeSpec("c", run.base, None, environment_of(setup)))
    await run.sandboxes.open(RUN, TreeSpec("d", run.base, None, environment_of([*setup, "true"])))
    branch = run.base.model_copy(update={"branch": "other"})
    await run.sandboxes.open(RUN, TreeSpec("e", branch, None, environment_of(setup)))
    assert index.asked["/private"] == 5
    assert len(kept(data_dir / "setups")) == 5


@needs("pip")
async def test_set_up_is_told_the_indexes_of_this_machine(
    run: SampleRun, index: PackageIndex, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"https://me:marked-secret@{index.host}/simple")
    alike = networked(run, data_dir, "auto")
    install = "pip install --cert ca.pem -r requirements.txt; env | grep -e INDEX -e secret > ~/env"
    sandbox = await alike.open("live", None, install)
    told = (await said(sandbox, "cat ~/env; python3 -c 'import tiny'")).splitlines()
    assert {f"PIP_INDEX_URL={index.url}/simple", f"UV_DEFAULT_INDEX={index.url}/simple"} <= set(
        told
    )
    assert "secret" not in "".join(told)
    assert index.asked["/tiny-1.0-py3-none-any.whl"] == 1


ESCAPES = {
    "this machine": "exec 3<>/dev/tcp/127.0.0.1/{port}",
    "the index, without the proxy": "exec 3<>/dev/tcp/localhost/{index}",
    "plain HTTP": "env -u no_proxy -u NO_PROXY curl -sf http://localhost:{index}/",
    "metadata": "curl -sf -m 5 https://169.254.169.254/",
    "a name that is not named": "curl -sf https://other.example/",
    "names": "getent hosts localhost.localdomain other.example",
    "other interfaces": "test $(wc -l < /proc/net/dev) -gt 3",
    "the folder of the proxy": "touch /run/setup/x",
    "secrets": "env | grep -q marked-secret",
}


@needs("curl")
async def test_set_up_reaches_the_named_host_and_nothing_else(
    run: SampleRun, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "marked-secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        ports = {"port": server.getsockname()[1], "index": index.port}
        tried = [
            f"if ( {attack.format(**ports)} ) >/dev/null 2>&1; then echo 'through: {name}'; fi"
            for name, attack in ESCAPES.items()
        ]
        with pytest.raises(SetupFailed) as caught:
            await run.open(
                "live", None, "\n".join([fetch(index, "ok"), *tried, "cat fetched; exit 3"])
            )
        with socket.create_connection(server.getsockname(), timeout=5):
            pass  # the control: from outside it answers
    assert index.asked["/ok"] == 1
    assert caught.value.message.rpartition("exit code 3.")[2].strip() == "hello"
    assert "other.example:443 is not in CODING_AGENT_SETUP_HOSTS" in caught.value.hint


async def test_in_docker_it_is_the_same(
    run: SampleRun, index: PackageIndex, data_dir: Path
) -> None:
    """Containers have no network of docker's."""
    backend = any_docker(data_dir, Limits(timeout_s=60))
    set_up = networked_set_up(backend, (index.host,), data_dir)
    sandboxes = LocalSandboxes(runs=run.runs, backend=backend, set_up=set_up)
    knock = f"! (exec 3<>/dev/tcp/127.0.0.1/{index.port}) 2>&1; echo made > ~/mine"
    setup = (fetch(index, "docker"), knock)
    for name in ("live", "validate-1"):
        sandbox = await sandboxes.open(RUN, TreeSpec(name, run.base, None, environment_of(setup)))
        told = "cat fetched ~/mine; env | grep -ic proxy; ls -d /run/setup 2>/dev/null || true"
        assert await said(sandbox, told) == "hello\n\nmade\n0"
    assert index.asked["/docker"] == 1
    failing = TreeSpec(
        "other", run.base, None, environment_of(["python3 fetch.py https://other.example/"])
    )
    with pytest.raises(SetupFailed) as caught:
        await sandboxes.open(RUN, failing)
    assert "other.example:443 is not in CODING_AGENT_SETUP_HOSTS" in caught.value.hint
    await sandboxes.close_run(RUN)


def test_what_is_old_left_or_too_much_is_removed(tmp_path: Path) -> None:
    now = time.time()
    ages = {"old.tar": OLDEST_S + 9, ".new-1": 9999, "b.tar": 8000, "c.tar": 7000, "now.tar": 1}
    for name, age in ages.items():
        (tmp_path / name).write_bytes(b"x" * 100)
        os.utime(tmp_path / name, (now - age, now - age))
    tidy(tmp_path, most_bytes=200)
    assert kept(tmp_path) == ["c.tar", "now.tar"]


@needs("pip")
async def test_in_an_image_its_own_package_managers_are_asked(
    run: SampleRun, index: PackageIndex, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://of-this-machine.invalid/simple")
    backend = Docker(on_stand_in(data_dir, Limits(timeout_s=60)))
    docker.set_variables(
        data_dir / "programs", f"PIP_INDEX_URL=https://me:marked-secret@{index.host}/simple"
    )
    set_up = networked_set_up(backend, ("auto",), data_dir)
    sandboxes = LocalSandboxes(runs=run.runs, backend=backend, set_up=set_up)
    setup = (fetch(index, "of-the-image"), "echo $UV_DEFAULT_INDEX > ~/mine")
    sandbox = await sandboxes.open(RUN, TreeSpec("live", run.base, None, environment_of(setup)))
    assert await said(sandbox, "cat ~/mine") == f"{index.url}/simple"
    assert index.asked["/of-the-image"] == 1
    failing = environment_of(["python3 fetch.py https://of-this-machine.invalid/"])
    with pytest.raises(SetupFailed) as caught:
        await sandboxes.open(RUN, TreeSpec("other", run.base, None, failing))
    assert "of-this-machine.invalid:443 is not in CODING_AGENT_SETUP_HOSTS" in caught.value.hint
