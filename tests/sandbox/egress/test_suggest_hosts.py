"""What `doctor` says of the hosts that set-up may reach."""

import socket
from pathlib import Path

import pytest

from sandbox.egress.manager_questions import CARGO, GEM, JAVA, PIP, UV, Question
from sandbox.egress.suggest_hosts import ask_managers, proposed_hosts, try_hosts
from tests.support.command.planted_code import plant
from tests.support.needed_programs import needs


async def test_hosts_are_proposed_as_package_managers_name_them() -> None:
    said = "https://me:secret@localhost:8443/simple https://packages.invalid/x,direct https://localhost"
    hosts = await proposed_hosts(
        [Question(words) for words in (("echo", said), ("no-such-program",), ("false",))]
    )
    assert hosts == ("localhost:8443", "packages.invalid", "localhost:443")


@needs("pip")
async def test_pip_is_asked_for_its_own_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.invalid/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://more.invalid:444/simple")
    assert await proposed_hosts([PIP]) == ("mirror.invalid", "more.invalid:444")


async def test_a_checkout_one_stands_in_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".npmrc").write_text("registry=https://planted.invalid/")
    trap = tmp_path / "trap"
    plant(tmp_path, trap)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", ":")
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.invalid/simple")
    hosts = await proposed_hosts([PIP, UV, Question(("cat", ".npmrc"), ("npm_config_registry",))])
    assert set(hosts) <= {"mirror.invalid"}
    assert not trap.exists()


async def test_named_hosts_are_tried() -> None:
    with socket.create_server(("127.0.0.1", 0)) as open_port:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            closed = f"localhost:{taken.getsockname()[1]}"
        named = f"localhost:{open_port.getsockname()[1]}"
        assert await try_hosts((named,)) == (True, f"reaches {named}")
        held, told = await try_hosts((named, closed, "localhost"))
    assert not held
    assert told.startswith(f"{closed} does not answer")
    assert told.endswith("localhost has no address that set-up may reach")


@needs("pip")
async def test_index_addresses_are_handed_on_without_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:secret@mirror.invalid/simple?token=secret")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://more.invalid/a https://more.invalid/b")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    registry = Question(("echo", "https://u:secret@npm.invalid/"), ("npm_config_registry",))
    proxy = Question(("echo", "https://go.invalid,direct"), ("GOPROXY",))
    found = await ask_managers([PIP, UV, registry, proxy])
    assert found.variables == {
        "PIP_INDEX_URL": "https://mirror.invalid/simple",
        "UV_DEFAULT_INDEX": "https://mirror.invalid/simple",
        "PIP_EXTRA_INDEX_URL": "https://more.invalid/a https://more.invalid/b",
        "UV_INDEX": "https://more.invalid/a https://more.invalid/b",
        "npm_config_registry": "https://npm.invalid/",
        "GOPROXY": "https://go.invalid,direct",
    }
    assert found.hosts == ("mirror.invalid", "more.invalid", "npm.invalid", "go.invalid")


async def test_uv_is_known_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "uv.toml").write_text(
        '[[index]]\nurl = "https://extra.invalid/simple"\n'
        '[[index]]\nurl = "https://first.invalid/simple"\ndefault = true\n'
    )
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    found = (await ask_managers([UV])).variables
    assert found["PIP_INDEX_URL"] == found["UV_DEFAULT_INDEX"] == "https://first.invalid/simple"
    assert found["UV_INDEX"] == "https://extra.invalid/simple"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a machine on which each manager is there, as far as its name goes."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("cargo", "java", "gem"):
        (programs / name).write_text("#!/bin/sh\necho '*** SOURCES ***' https://localhost:2/\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.delenv("CARGO_HOME", raising=False)
    return tmp_path


async def test_what_is_used_by_default_is_spoken_of_where_it_has_an_address() -> None:
    said = "https://no-such-registry.invalid https://localhost:1"
    presumed = Question(("echo", said), presumes=True)
    assert await proposed_hosts([presumed]) == ("localhost:1",)
    assert await proposed_hosts([Question(("echo", said)), presumed]) == (
        "no-such-registry.invalid",
        "localhost:1",
    )


async def test_managers_are_known_by_their_files(home: Path) -> None:
    (home / ".cargo").mkdir()
    (home / ".cargo" / "config.toml").write_text(
        '[source.crates-io]\nreplace-with = "ours"\n'
        '[source.ours]\nregistry = "sparse+https://localhost:1/index/"\n'
    )
    (home / ".m2").mkdir()
    (home / ".m2" / "settings.xml").write_text("<mirror>\n<url>https://localhost:3/maven</url>")
    assert await proposed_hosts([CARGO]) == ("localhost:1",)
    assert await proposed_hosts([GEM]) == ("localhost:2",)
    assert (await proposed_hosts([JAVA]))[:1] == ("localhost:3",)


async def test_what_is_not_there_is_not_asked(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for name in ("cargo", "java", "gem"):
        (home / "bin" / name).unlink()
    (home / "bin" / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(home / "bin"))
    found = await ask_managers([CARGO, GEM, JAVA])
    assert found.hosts == ()


@pytest.mark.slow
async def test_a_manager_that_is_slow_to_start_is_waited_for() -> None:
    slow = Question(("sh", "-c", "sleep 12; echo https://packages.invalid"))
    assert await proposed_hosts([slow]) == ("packages.invalid",)
