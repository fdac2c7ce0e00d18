"""The hosts that this machine's own package managers use, as they themselves say."""

import asyncio
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from sandbox.egress.allowlist import TLS_PORT, SetupHost
from sandbox.egress.connect_proxy import ProxyDenied, resolve

# pip says what is configured, and what it would use where nothing is.
_PIP: Final = """\
from pip._internal.configuration import Configuration
from pip._internal.models.index import PyPI
made = Configuration(isolated=False)
made.load()
said = {key.split(".")[-1]: value for key, value in made.items()}
found = [said.get("index-url", ""), said.get("extra-index-url", "")]
default = [PyPI.simple_url, "https://" + PyPI.file_storage_domain]
print(*found, *([] if found[0] else default))
"""
QUESTIONS: Final = (
    ("python3", "-I", "-c", _PIP),
    ("npm", "config", "get", "registry"),
    ("go", "env", "GOPROXY"),
)
_URL: Final = re.compile(r"https://[^\s,|]+")
_PATIENCE_S: Final = 10.0
AUTO: Final = "auto"


async def proposed_hosts(questions: Iterable[tuple[str, ...]] = QUESTIONS) -> tuple[str, ...]:
    """Values for CODING_AGENT_SETUP_HOSTS: with its port where a host is not a public one."""
    answers = await asyncio.gather(*map(_ask, questions))
    names = {_host(url): None for answer in answers for url in _URL.findall(answer)}
    return tuple(await asyncio.gather(*map(_proposed, filter(None, names))))


async def resolve_hosts(names: tuple[str, ...]) -> tuple[str, ...]:
    """The hosts that set-up reaches: `auto` stands for what this machine's managers use."""
    if AUTO not in names:
        return names
    named = [name for name in names if name != AUTO]
    return tuple(dict.fromkeys((*named, *await proposed_hosts())))


async def try_hosts(hosts: tuple[str, ...]) -> tuple[bool, str]:
    """Whether set-up reaches its hosts, in words; where none is named, which could be."""
    if not hosts:
        proposed = ",".join(await proposed_hosts()) or "not known"
        return True, f"without a network; CODING_AGENT_SETUP_HOSTS for this machine: {proposed}"
    troubles = await unreachable(hosts)
    return not troubles, "; ".join(troubles) or f"reaches {', '.join(hosts)}"


async def unreachable(hosts: Iterable[str]) -> tuple[str, ...]:
    """Those of the hosts that set-up could not connect to, and why."""
    found = await asyncio.gather(*map(_trouble, map(SetupHost.parse, hosts)))
    return tuple(trouble for trouble in found if trouble)


async def _ask(question: tuple[str, ...]) -> str:
    """Empty where the program is not there, or does not answer.

    Asked away from the working directory, which a checkout may have filled: with a `pip` of its
    own, a `.npmrc`, or a `go.mod` that names another Go.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *question,
            cwd="/",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return ""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            out, _ = await process.communicate()
    except TimeoutError:
        return ""
    finally:  # also where who asks is cancelled
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out.decode(errors="replace")


def _host(url: str) -> str:
    """Name and, where it is an odd one, port; never the user and password of an address."""
    parts = urlsplit(url)
    odd = parts.port not in (None, TLS_PORT)
    return f"{parts.hostname}:{parts.port}" if odd else parts.hostname or ""


async def _proposed(name: str) -> str:
    """With its port where it has internal addresses alone."""
    if ":" in name:
        return name
    found = [await _has_address(SetupHost(name, internal=internal)) for internal in (False, True)]
    return f"{name}:{TLS_PORT}" if found == [False, True] else name


async def _has_address(host: SetupHost) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return bool(await resolve(host))
    except (ProxyDenied, TimeoutError):
        return False


async def _trouble(host: SetupHost) -> str:
    """Why the host cannot be connected to; empty where it can."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            addresses = await resolve(host)
            _, writer = await asyncio.open_connection(addresses[0], host.port)
            writer.close()
    except ProxyDenied as denial:
        return str(denial)
    except (OSError, TimeoutError) as error:
        return f"{host.name}:{host.port} does not answer ({type(error).__name__})"
    return ""
