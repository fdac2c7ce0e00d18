"""What `doctor` says of the hosts that set-up may reach."""

import socket
from pathlib import Path

import pytest

from sandbox.egress.suggest_hosts import QUESTIONS, proposed_hosts, try_hosts
from tests.support.command.planted_code import plant
from tests.support.needed_programs import needs


async def test_hosts_are_proposed_as_package_managers_name_them() -> None:
    said = "https://me:secret@localhost:8443/simple https://packages.invalid/x,direct https://localhost"
    hosts = await proposed_hosts([("echo", said), ("no-such-program",), ("false",)])
    assert hosts == ("localhost:8443", "packages.invalid", "localhost:443")


@needs("pip")
async def test_pip_is_asked_for_its_own_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.invalid/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://more.invalid:444/simple")
    assert await proposed_hosts(QUESTIONS[:1]) == ("mirror.invalid", "more.invalid:444")


async def test_a_checkout_one_stands_in_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".npmrc").write_text("registry=https://planted.invalid/")
    trap = tmp_path / "trap"
    plant(tmp_path, trap)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", ":")
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.invalid/simple")
    hosts = await proposed_hosts([QUESTIONS[0], ("cat", ".npmrc")])
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
