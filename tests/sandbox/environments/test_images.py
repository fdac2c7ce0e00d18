"""Images that a repository asks for: used where the operator's globs fit, else told."""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from graph.environment import Environment
from sandbox.backends.base.local_backend import LocalBackend
from sandbox.backends.docker.backend import Docker
from sandbox.core.protocol import Limits, TreeSpec
from sandbox.environments.service import SandboxEnvironments
from tests.standins.docker import calls, image_id
from tests.support.sandbox.docker_backend import on_stand_in
from tests.support.sandbox.modal_trees import ModalRun, modal_run, on_plane
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

LIMITS = Limits(timeout_s=30, memory_mb=256, pids=64, disk_mb=64)
IMAGE = "registry.test/acme/app:1"


def declares(image: str = IMAGE) -> dict[str, str | bytes]:
    return {".coding-agent.toml": f'image = "{image}"\nsetup = ["true"]\n'}


def on_docker(data: Path, *images: str) -> Docker:
    return Docker(replace(on_stand_in(data, LIMITS), images=images))


async def prepared(run: SampleRun) -> Environment:
    environments = SandboxEnvironments(sandboxes=run.sandboxes, hosts=())
    return await environments.prepare(RUN, run.base, (), time.time() + 120)


def sample(
    data: Path, backend: LocalBackend | None, files: dict[str, str | bytes] | None = None
) -> SampleRun:
    return sample_run(data, files or declares(), limits=LIMITS, backend=backend)


async def test_docker_pulls_an_image_that_is_allowed_and_makes_trees_of_it(data_dir: Path) -> None:
    run = sample(data_dir, on_docker(data_dir, "registry.test/acme/*"))
    environment = await prepared(run)
    assert (environment.image, environment.left_out) == (image_id(IMAGE), ())
    programs = data_dir / "programs"
    before = len(calls(programs))
    tree = await run.sandboxes.open(RUN, TreeSpec("live", run.base, environment=environment))
    assert (await tree.run("echo here")).text == "here\n"
    made = [words for words in calls(programs)[before:] if words[0] == "create"]
    assert made
    assert all(image_id(IMAGE) in words for words in made)
    assert [words for words in calls(programs) if words[0] == "pull"] == [
        ["pull", "--quiet", IMAGE]
    ]


async def test_one_that_is_not_allowed_is_told_with_the_line_that_allows_it(data_dir: Path) -> None:
    environment = await prepared(sample(data_dir, on_docker(data_dir, "python:*")))
    (left,) = environment.left_out
    assert (environment.image, left.what) == ("", f"the image {IMAGE}")
    assert f"set CODING_AGENT_IMAGES='python:*,{IMAGE}'" in left.why
    assert not [words for words in calls(data_dir / "programs") if words[0] == "pull"]


async def test_one_that_cannot_be_had_is_told(data_dir: Path) -> None:
    backend = on_docker(data_dir, "*")
    environment = await prepared(sample(data_dir, backend, declares("nowhere/app:1")))
    (left,) = environment.left_out
    assert environment.image == ""
    assert "manifest for nowhere/app:1 not found" in left.why
    assert [command.status for command in environment.commands] == ["ok"]


@pytest.mark.parametrize("own", [False, True])
async def test_the_image_of_a_devcontainer_comes_after_its_own(data_dir: Path, own: bool) -> None:
    container = {".devcontainer/devcontainer.json": json.dumps({"image": "registry.test/dev:2"})}
    files = {**container, **(declares() if own else {})}
    environment = await prepared(sample(data_dir, on_docker(data_dir, "registry.test/*"), files))
    assert environment.image == image_id(IMAGE if own else "registry.test/dev:2")


async def test_what_was_made_in_one_image_is_not_taken_for_another(data_dir: Path) -> None:
    keys = set()
    for image in ("", IMAGE, "registry.test/acme/app:2"):
        folder = data_dir / (image.rpartition(":")[2] or "none")
        folder.mkdir()
        run = sample(folder, on_docker(folder, "registry.test/*"), declares(image))
        keys.add((await prepared(run)).key)
    assert len(keys) == 3


async def test_bubblewrap_says_that_it_uses_none(data_dir: Path) -> None:
    environment = await prepared(sample(data_dir, None))
    (left,) = environment.left_out
    assert environment.image == ""
    assert "with this machine's own programs" in left.why


@pytest_asyncio.fixture
async def on_modal(data_dir: Path) -> AsyncIterator[ModalRun]:
    async with modal_run(sample(data_dir, None), LIMITS) as on_modal:
        yield on_modal


async def test_modal_makes_trees_of_an_image_that_is_allowed(on_modal: ModalRun) -> None:
    allowed = on_plane(on_modal.plane, on_modal.run, LIMITS, images=("registry.test/*",))
    environment = await prepared(allowed.run)
    assert (environment.image, environment.left_out) == (IMAGE, ())
    await allowed.run.sandboxes.open(
        RUN, TreeSpec("plain", on_modal.run.base, environment=Environment(image=IMAGE))
    )
    request = allowed.plane.sandboxes.named(f"{RUN}-plain").request
    commands = described(allowed, request.definition.image_id)
    assert f"FROM {IMAGE}" in commands
    refused = await prepared(on_modal.run)
    assert f"CODING_AGENT_IMAGES={IMAGE}" in refused.left_out[0].why


def described(run: ModalRun, image_id: str) -> str:
    """All that an image is built by, and those that it is built on."""
    definition = run.plane.images.definitions[image_id]
    below = [described(run, base.image_id) for base in definition.base_images]
    return "\n".join([*definition.dockerfile_commands, *below])
