"""Tries whether Sandboxes of Modal hold: the same kind of harmless attacks, from one of its own.

What Modal's own machines do can be tried nowhere else. Nothing is opened to be attacked: the
network, Modal itself and the machine's metadata are there anyway.
"""

import asyncio
import secrets
from dataclasses import replace

from graph.errors import SandboxError, SandboxUnavailable
from sandbox.backends.container.sandbox import RemoteSandbox
from sandbox.backends.container.wire import exec_request
from sandbox.backends.modal.client import ModalClient, ModalSandbox
from sandbox.core.protocol import BASE_OBJECTS, WORKSPACE, Sandbox
from sandbox.selftest import probes as attacks
from sandbox.selftest.probes import DEVICES, MEMORY_MB, PIDS, SYSCTL, Probe
from sandbox.selftest.trial import Results, TrialResult, judge
from sandbox.tree.environment import HOME

_TRY_S = 3
_LOOP_S = 1.0
_OTHERS = "example.com"
_METADATA = ("169.254.169.254/80", "169.254.170.2/80", "fd00:ec2::254/80", "100.100.100.200/80")
_PUBLIC = ("1.1.1.1/443", "8.8.8.8/53", "2606:4700:4700::1111/443")
_MODAL = ("api.modal.com/443",)
_SECRETS = "MODAL_TOKEN|MODAL_IDENTITY|ANTHROPIC_|GITHUB_TOKEN|AWS_"


def modal_probes() -> tuple[Probe, ...]:
    """Attacks on what is around a Sandbox; `attack` succeeds only where it does not hold."""
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
        Probe("network", _any(_PUBLIC), "reaching the network"),
        Probe("names", f"timeout {_TRY_S} getent hosts {_OTHERS}", "looking up a name"),
        Probe("metadata", _any(_METADATA), "reaching the machine's metadata"),
        Probe("modal", _any(_MODAL), "reaching Modal's API"),
        DEVICES,
        SYSCTL,
    )


async def try_modal(client: ModalClient, *, hosts: tuple[str, ...] = ()) -> Results:
    """Try a Sandbox without a network, and one that reaches `hosts` alone where some are named."""
    try:
        found = await _in_a_box(client, ())
        return (*found, *(await _in_a_box(client, hosts))) if hosts else found
    except SandboxError as error:
        return (TrialResult("start", held=False, detail=error.message, fix=error.hint),)


async def _in_a_box(client: ModalClient, hosts: tuple[str, ...]) -> Results:
    name = f"doctor-{secrets.token_hex(4)}"
    box = await client.make(name, {"run": name}, hosts=hosts)
    if box is None:
        raise SandboxUnavailable(f"There is a Sandbox {name} already.")
    try:
        sandbox = await _empty_tree(box, client)
        if hosts:
            return await _try_hosts(sandbox, hosts)
        small = replace(client.limits, memory_mb=MEMORY_MB, pids=PIDS, output_bytes=1 << 20)
        return (
            *await _try_probes(sandbox),
            await _try_loop(sandbox),
            *await _try_bombs(RemoteSandbox(box, small)),
        )
    finally:
        await asyncio.shield(box.end())


async def _empty_tree(box: ModalSandbox, client: ModalClient) -> RemoteSandbox:
    sandbox = RemoteSandbox(box, client.limits)
    make = exec_request(["/bin/mkdir", "-p", BASE_OBJECTS], client.limits)
    await sandbox.carry_out(
        replace(make, user=None, folder="/", chown_dirs=(WORKSPACE, HOME)), (), 0
    )
    return sandbox


async def _try_probes(sandbox: Sandbox) -> Results:
    tried = modal_probes()
    script = "\n".join([attacks.READY, "export SUPERVISOR=$PPID", *(one.script for one in tried)])
    ended = await sandbox.run(script, timeout_s=120)
    return tuple(judge(probe.name, probe.what, ended) for probe in tried)


async def _try_loop(sandbox: Sandbox) -> TrialResult:
    marker = f"977.{secrets.randbelow(10**9):09}"
    ended = await sandbox.run(attacks.loop_script(marker), timeout_s=_LOOP_S)
    left = await sandbox.run(f"grep -la '[s]leep.{marker}' /proc/[0-9]*/cmdline")
    held = ended.limit == "time" and left.exit_code != 0
    return judge("loop", "outliving its time", ended, held=held)


async def _try_bombs(sandbox: Sandbox) -> Results:
    memory = await sandbox.run(attacks.MEMORY_BOMB, timeout_s=20)
    forks = await sandbox.run(attacks.fork_bomb(), timeout_s=20)
    output = await sandbox.run(attacks.OUTPUT_BOMB, timeout_s=20)
    return (
        judge("memory", f"taking more than {MEMORY_MB} MiB", memory),
        judge("forks", f"making more than {PIDS} processes", forks),
        judge("output", "endless output", output, held=output.limit == "output"),
    )


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
