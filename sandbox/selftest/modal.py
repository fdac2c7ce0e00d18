"""Tries whether Sandboxes of Modal hold: the same kind of harmless attacks, from one of its own.

What Modal's own machines do can be tried nowhere else. Nothing is opened to be attacked: the
network, Modal itself and the machine's metadata are there anyway.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from graph.errors import SandboxError, SandboxUnavailable
from sandbox.backends.base.trial_result import Results, TrialResult
from sandbox.backends.container.sandbox import RemoteSandbox
from sandbox.backends.container.send_base import make_empty_tree
from sandbox.backends.modal.backend import Modal
from sandbox.core.protocol import BASE_OBJECTS, Sandbox
from sandbox.egress.image_sources import resolve_in_image
from sandbox.selftest.probes import DEVICES, SYSCTL, Probe, programs, small_limits
from sandbox.selftest.trial import judge, try_bombs, try_loop, try_probes

_TRY_S = 3
_LOOP_S = 1.0
_OTHERS = "example.com"
_METADATA = ("169.254.169.254/80", "169.254.170.2/80", "fd00:ec2::254/80", "100.100.100.200/80")
_PUBLIC = ("1.1.1.1/443", "8.8.8.8/53", "2606:4700:4700::1111/443")
_MODAL = ("api.modal.com/443",)
_SECRETS = "MODAL_TOKEN|MODAL_IDENTITY|ANTHROPIC_|GITHUB_TOKEN|AWS_"


def modal_probes() -> tuple[Probe, ...]:
    """Attacks on what is around a Sandbox; `attack` succeeds only where it does not hold."""
    connects = programs("timeout", "bash")
    lookup = f"timeout {_TRY_S} getent hosts {_OTHERS}"
    return (
        Probe("root", '[ "$(id -u)" = 0 ]', "running as the container's root"),
        Probe("capabilities", "! grep -q '^CapEff:.0*$' /proc/self/status", "having capabilities"),
        Probe("supervisor", "kill -0 $SUPERVISOR", "stopping the supervisor"),
        Probe("system", "touch /usr/bin/.tried && rm /usr/bin/.tried", "writing to the system"),
        Probe("base", f"touch {BASE_OBJECTS}/.tried", "writing to the base's objects"),
        Probe(
            "environment",
            f"cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep -qE '^({_SECRETS})'",
            "reading a secret from an environment",
        ),
        Probe(
            "credentials",
            "cat /root/.modal.toml /var/run/secrets/*/* /run/secrets/* | grep -q .",
            "reading a credential from a file",
        ),
        Probe(
            "mounts",
            "grep -qE ' (/mnt|/__modal/volumes|/vol)[^ ]* ' /proc/self/mounts",
            "seeing a mounted Volume",
        ),
        Probe("network", _any(_PUBLIC), "reaching the network", connects),
        Probe("names", lookup, "looking up a name", programs("timeout", "getent")),
        Probe("metadata", _any(_METADATA), "reaching the machine's metadata", connects),
        Probe("modal", _any(_MODAL), "reaching Modal's API", connects),
        DEVICES,
        SYSCTL,
    )


async def try_modal(backend: Modal) -> Results:
    """Try a Sandbox without a network, and one with named hosts where there are some."""
    try:
        async with _new_sandbox(backend, ()) as (sandbox, small):
            hosts = (await resolve_in_image(sandbox, backend.setup_hosts)).hosts
            probed = await try_probes(
                partial(sandbox.run, timeout_s=120), modal_probes(), "export SUPERVISOR=$PPID"
            )
            loop, _ = await try_loop(sandbox, _LOOP_S, partial(_is_left, sandbox))
            found = (*probed, loop, *await try_bombs(small))
        if hosts:
            async with _new_sandbox(backend, hosts) as (sandbox, _):
                found += await _try_hosts(sandbox, hosts)
    except SandboxError as error:
        return (TrialResult("start", held=False, detail=error.message, fix=error.hint),)
    return found


@asynccontextmanager
async def _new_sandbox(
    backend: Modal, hosts: tuple[str, ...]
) -> AsyncIterator[tuple[RemoteSandbox, RemoteSandbox]]:
    """An empty tree in a Sandbox of its own, and the same tree with small limits."""
    name = f"doctor-{secrets.token_hex(4)}"
    container = await backend.client.make(name, {"run": name}, hosts=hosts)
    if container is None:
        raise SandboxUnavailable(f"There is a Sandbox {name} already.")
    try:
        sandbox = backend.attach(container)
        await make_empty_tree(sandbox, backend.limits)
        yield sandbox, backend.limited(small_limits(backend.limits)).attach(container)
    finally:
        await asyncio.shield(container.end())


async def _is_left(sandbox: Sandbox, marker: str) -> bool:
    left = await sandbox.run(f"grep -la '[s]leep.{marker}' /proc/[0-9]*/cmdline")
    return left.exit_code == 0


async def _try_hosts(sandbox: Sandbox, hosts: tuple[str, ...]) -> Results:
    """A named host is reached, so that the others are refused for what they are."""
    reached = await sandbox.run(_tls(hosts[0]), timeout_s=30)
    others = Probe("set-up hosts", _tls(_OTHERS), f"reaching {_OTHERS} in set-up")
    ended = await sandbox.run(others.script.replace(others.name, "others"), timeout_s=30)
    refused = replace(judge("others", others.what, ended), name=others.name)
    return (
        TrialResult(
            f"set-up reaches {hosts[0]}",
            held=reached.exit_code == 0,
            detail="reached" if reached.exit_code == 0 else reached.text.strip()[-200:],
            fix="" if reached.exit_code == 0 else "See CODING_AGENT_SETUP_HOSTS.",
        ),
        refused,
    )


def _any(places: tuple[str, ...]) -> str:
    """Shell that succeeds where one of the places can be connected to."""
    tries = [f"timeout {_TRY_S} bash -c 'exec 3<>/dev/tcp/{place}'" for place in places]
    return " || ".join(tries)


def _tls(host: str) -> str:
    """Shell that succeeds where a host, not what stands before it, answers in TLS."""
    return (
        'python3 -c "import socket, ssl, sys; '
        f"ssl.create_default_context().wrap_socket(socket.create_connection(('{host}', 443), 10), "
        f"server_hostname='{host}')\""
    )
