"""What `doctor` tries of the machine itself: Python, git, the data folder, credentials."""

import asyncio
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from forge.signing import SigningKey
from graph import SHORTEST_SECRET
from graph.errors import CodingAgentError, DataFolderUnusable, StoreError
from sandbox import BackendName, BackendOptions, examine
from sandbox.egress import proposed_hosts, resolve_hosts, try_hosts
from wiring.data_folder import make_data_folder
from wiring.machine import LocalProbes, Machine
from wiring.run_store import RunStore
from wiring.setting_types.host_names import AUTO
from wiring.setting_types.setup_variables import SetupVariable
from wiring.settings import Settings

OLDEST_GIT: Final = (2, 39)
SAFEST_GIT: Final = (2, 50, 1)
_SHORT: Final = f" (under {SHORTEST_SECRET} characters: changes and texts are not searched for it)"


@dataclass(frozen=True)
class Finding:
    """One thing that was tried: whether it holds, what was seen, and how to fix it.

    `command` is a line to be copied whole. What is not `needed` some runs do without.
    """

    name: str
    held: bool
    detail: str
    fix: str = ""
    command: str = ""
    needed: bool = True


def python() -> Finding:
    held = sys.version_info >= (3, 11)
    return Finding("Python", held, platform.python_version(), "Install Python 3.11 or newer.")


async def git() -> Finding:
    fix = "sudo apt-get install git"
    try:
        told = await asyncio.to_thread(
            subprocess.run, ["git", "version"], cwd="/", stdout=subprocess.PIPE, check=False
        )
    except FileNotFoundError:
        return Finding("git", held=False, detail="not found", fix=fix)
    said = told.stdout.decode("utf-8", "replace").strip()
    version = tuple(map(int, re.findall(r"\d+", said)[:3]))
    note = ""
    if version < SAFEST_GIT:
        floor = ".".join(map(str, SAFEST_GIT))
        note = f" (older than {floor}: keep it at your distribution's newest, which fixes holes)"
    return Finding("git", version >= OLDEST_GIT, said + note, fix)


def data_dir(path: Path) -> Finding:
    try:
        make_data_folder(path)
    except DataFolderUnusable as error:
        return Finding("data folder", held=False, detail=error.message, fix=error.hint)
    free = shutil.disk_usage(path).free >> 20
    return Finding("data folder", held=True, detail=f"{path}, {free} MiB free")


async def database(runs: RunStore) -> list[Finding]:
    """Whether the database that the settings name can be reached and written."""
    try:
        store = runs.make()
        await store.open()
        await store.close()
    except StoreError as error:
        return [Finding("database", held=False, detail=error.message, fix=error.hint)]
    return [Finding("database", held=True, detail="can be read and written")]


async def credential(
    name: str, variable: str, probe: Callable[[], Awaitable[str]], secret: SecretStr | None = None
) -> Finding:
    """Whether a credential is accepted; `secret` is its value, where that is known here."""
    try:
        code = await probe()
    except CodingAgentError as error:
        return Finding(name, held=False, detail=error.message, fix=error.hint)
    fix = f"Set {variable} to a valid value."
    return Finding(name, code == "ok", code + _note(secret), fix)


def _note(secret: SecretStr | None) -> str:
    short = secret is not None and len(secret.get_secret_value()) < SHORTEST_SECRET
    return _SHORT if short else ""


async def check_machine(settings: Settings) -> list[Finding]:
    """Try what a run needs of this machine: Python, git, data folder, sandbox, credentials."""
    machine = Machine(settings)
    findings = [
        python(),
        await git(),
        data_dir(settings.data_dir),
        *(await database(machine.run_store) if settings.database_url else ()),
        *await try_sandbox(settings.sandbox, machine.backend_options),
    ]
    named = settings.hosts_of_setup
    if settings.sandbox in ("docker", "modal"):  # the image's package managers are asked there
        named = tuple(name for name in named if name != AUTO)
    findings.append(await set_up_hosts(named))
    findings += set_up_variables(settings.setup_secrets)
    findings += await signing(machine.configuration.signing_key)
    probes = LocalProbes(machine)
    try:
        findings += [
            await credential(
                "Claude", "ANTHROPIC_API_KEY", probes.claude, settings.anthropic_api_key
            ),
            await github(settings, probes.github),
        ]
    finally:
        await machine.close()
    return findings


async def github(settings: Settings, probe: Callable[[], Awaitable[str]]) -> Finding:
    """Whether what signs in at GitHub is accepted; who sets nothing works on checkouts."""
    token = _token(settings)
    if token is None:
        return Finding(
            "GitHub",
            held=False,
            detail="no token is set: runs on checkouts of this machine need none",
            fix="Set GITHUB_TOKEN for repositories on GitHub.",
            needed=False,
        )
    return await credential("GitHub", _github_setting(settings), probe, token)


def _github_setting(settings: Settings) -> str:
    """What signs in at GitHub."""
    return "CODING_AGENT_GITHUB_APP_KEY_FILE" if settings.github_app_id else "GITHUB_TOKEN"


def _token(settings: Settings) -> SecretStr | None:
    return settings.github_app_key if settings.github_app_id else settings.github_token


async def set_up_hosts(named: tuple[str, ...]) -> Finding:
    """Whether set-up reaches its hosts, with the line that names those of this machine."""
    held, told = await try_hosts(await resolve_hosts(named))
    proposed = ",".join(await proposed_hosts())
    command = f"export CODING_AGENT_SETUP_HOSTS={proposed}" if proposed else ""
    return Finding(
        "set-up",
        held,
        told,
        "Correct CODING_AGENT_SETUP_HOSTS; below are the hosts of this machine.",
        command,
    )


async def signing(key: SigningKey | None) -> list[Finding]:
    """Whether commits can be signed; nothing is said where they are not to be."""
    if key is None:
        return []
    try:
        form = await key.probe()
    except CodingAgentError as error:
        return [Finding("signing", held=False, detail=error.message, fix=error.hint)]
    return [Finding("signing", held=True, detail=f"commits are signed by a key of {form.upper()}")]


def set_up_variables(named: Iterable[SetupVariable]) -> list[Finding]:
    """Whether what CODING_AGENT_SETUP_SECRETS names is there; nothing is said where it is empty."""
    return [
        Finding(
            f"set-up: {each.name}",
            each.value is not None,
            f"for {each.repo}{_note(each.value)}"
            if each.value
            else f"has no value for {each.repo}",
            "Set it for the service, or take it out of CODING_AGENT_SETUP_SECRETS.",
        )
        for each in named
    ]


async def try_sandbox(name: BackendName, options: BackendOptions) -> list[Finding]:
    """The full trial of the sandbox."""
    try:
        results = await examine(name, options)
    except CodingAgentError as error:
        return [Finding("sandbox", held=False, detail=error.message, fix=error.hint)]
    return [Finding(f"sandbox: {one.name}", one.held, one.detail, one.fix) for one in results]
