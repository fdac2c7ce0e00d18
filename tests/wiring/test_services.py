"""The services are the same on one machine and on Modal, but for who plays the roles."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from graph.services import Services
from graph.values import ROLE_NAMES
from roles.registry import ROLES
from runs.remote_roles.caller import RemoteRole
from sandbox.environments.service import SandboxEnvironments
from tests.standins.deployment import FakeDeployment
from tests.standins.directory_sandbox import DirectorySandboxes
from tests.standins.shared_backend import FolderMount, SharedPlaces
from wiring.configuration import Configuration
from wiring.deployed import RoleStarts, SharedWorkspaces
from wiring.machine import Machine
from wiring.settings import Settings


def of_a_machine(settings: Settings) -> Services:
    return Machine(settings).services


def of_modal(settings: Settings) -> Services:
    places = SharedPlaces(settings.data_dir)
    mount = FolderMount(settings.data_dir)
    sandboxes = DirectorySandboxes(settings.data_dir / "runs")

    configuration = Configuration(settings, "1")
    deployment = FakeDeployment(configuration, places.backend, mount, sandboxes)
    records = deployment.records
    starts = RoleStarts(deployment.play)
    workspaces = SharedWorkspaces(mount, records.store("test"), records, sandboxes, starts)
    return deployment._make_services(sandboxes, workspaces, configuration.forge())


WIRINGS: Final = pytest.mark.parametrize("wired", [of_a_machine, of_modal])


@WIRINGS
@pytest.mark.parametrize("hosts", [(), ("index.example",)])
def test_set_up_is_found_from_lock_files_where_hosts_are_set(
    wired: Callable[[Settings], Services], hosts: tuple[str, ...], tmp_path: Path
) -> None:
    services = wired(Settings(data_dir=tmp_path, setup_hosts=hosts))
    environments = services.preparation._environments
    assert isinstance(environments, SandboxEnvironments)
    assert environments._hosts == hosts


@WIRINGS
def test_every_role_of_the_registry_is_played(
    wired: Callable[[Settings], Services], tmp_path: Path
) -> None:
    services = wired(Settings(data_dir=tmp_path, setup_hosts=("index.example",)))
    assert tuple(ROLES) == ROLE_NAMES
    for name, role in ROLES.items():
        assert isinstance(getattr(services, name), role | RemoteRole)


@WIRINGS
def test_without_hosts_there_is_no_set_up_turn(
    wired: Callable[[Settings], Services], tmp_path: Path
) -> None:
    assert wired(Settings(data_dir=tmp_path, setup_hosts=())).setup is None


def test_a_role_has_its_own_model(tmp_path: Path) -> None:
    models: dict[str, Any] = {f"model_{name}": f"model-of-{name}" for name in ROLE_NAMES}
    services = of_a_machine(Settings(data_dir=tmp_path, model="general", **models))
    for name in ROLE_NAMES:
        assert getattr(services, name).model == f"model-of-{name}"
