"""The hosts and index addresses that package managers use, as they say."""

import asyncio
import re
import subprocess
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from sandbox.egress.allowlist import TLS_PORT, SetupHost
from sandbox.egress.connect_proxy import ProxyDenied, resolve
from sandbox.egress.manager_questions import QUESTIONS, Question

_ALIKE: Final = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
}
"""Variables of pip and of uv: what one of them is configured for, both use."""
_KNOWN: Final = {*_ALIKE, *_ALIKE.values()}
_URL: Final = re.compile(r"https://[^\s,|\"<]+")
_PATIENCE_S: Final = 10.0
_ANSWER_S: Final = 60.0
"""A manager on a busy machine is slow to start; without its answer set-up would reach nothing."""
AUTO: Final = "auto"
Ask = Callable[[Question], Awaitable[str]]
"""Asks a package manager somewhere; its answer, empty where there is none."""


@dataclass(frozen=True)
class PackageSources:
    """Where packages come from: hosts, and variables that name indexes to package managers."""

    hosts: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)


async def ask_managers(
    questions: Iterable[Question] = QUESTIONS, ask: Ask | None = None
) -> PackageSources:
    """What the package managers say: a host has its port where it is not a public one."""
    asked = tuple(questions)
    answers = await asyncio.gather(*map(ask or ask_here, asked))
    variables: dict[str, str] = {}
    names: dict[str, bool] = {}
    for question, answer in zip(asked, answers, strict=True):
        variables |= _variables(question, answer)
        for host in filter(None, map(_host, _URL.findall(answer))):
            names.setdefault(host, question.presumes)
    for pip, uv in _ALIKE.items():
        if value := variables.get(uv) or variables.get(pip):
            variables = {pip: value, uv: value} | variables
    hosts = await asyncio.gather(*(_proposed(name, presumed) for name, presumed in names.items()))
    return PackageSources(tuple(filter(None, hosts)), variables)


async def proposed_hosts(questions: Iterable[Question] = QUESTIONS) -> tuple[str, ...]:
    """Values for CODING_AGENT_SETUP_HOSTS."""
    return (await ask_managers(questions)).hosts


async def resolve_sources(names: tuple[str, ...], ask: Ask | None = None) -> PackageSources:
    """What set-up reaches: `auto` stands for what the managers that are asked use."""
    if AUTO not in names:
        return PackageSources(names)
    named = [name for name in names if name != AUTO]
    said = await ask_managers(QUESTIONS, ask)
    return PackageSources(tuple(dict.fromkeys((*named, *said.hosts))), said.variables)


async def resolve_hosts(names: tuple[str, ...]) -> tuple[str, ...]:
    """The hosts that set-up reaches."""
    return (await resolve_sources(names)).hosts


async def try_hosts(hosts: tuple[str, ...]) -> tuple[bool, str]:
    """Whether set-up reaches its hosts, in words."""
    if not hosts:
        return True, "without a network"
    troubles = await unreachable(hosts)
    return not troubles, "; ".join(troubles) or f"reaches {', '.join(hosts)}"


async def unreachable(hosts: Iterable[str]) -> tuple[str, ...]:
    """Those of the hosts that set-up could not connect to, and why."""
    found = await asyncio.gather(*map(_trouble, map(SetupHost.parse, hosts)))
    return tuple(trouble for trouble in found if trouble)


async def ask_here(question: Question) -> str:
    """What this machine's program says; empty where it is not there, or does not answer.

    Asked away from the working directory, which a checkout may have filled: with a `pip` of its
    own, a `.npmrc`, or a `go.mod` that names another Go.
    """
    try:
        asked = await asyncio.to_thread(
            subprocess.run,
            question.words,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_ANSWER_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.decode(errors="replace")


def _variables(question: Question, answer: str) -> dict[str, str]:
    """Values without user and password; those that hold no address are left out."""
    if question.variables:
        said = dict.fromkeys(question.variables, answer.strip())
    else:
        lines = (line.partition(" ") for line in answer.splitlines())
        said = {name: value for name, _, value in lines if name in _KNOWN}
    found = {name: _URL.sub(lambda url: _without_user(url[0]), text) for name, text in said.items()}
    return {name: text for name, text in found.items() if _URL.search(text) and "\n" not in text}


def _without_user(url: str) -> str:
    """The address, without what may be a credential: user, password, query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _host(url: str) -> str:
    """Name and, where it is an odd one, port; never the user and password of an address."""
    parts = urlsplit(url)
    odd = parts.port not in (None, TLS_PORT)
    return f"{parts.hostname}:{parts.port}" if odd else parts.hostname or ""


async def _proposed(name: str, presumed: bool) -> str:
    """With its port where it has internal addresses alone; a presumed one has an address."""
    if ":" in name:
        return name
    found = [await _has_address(SetupHost(name, internal=internal)) for internal in (False, True)]
    if presumed and not any(found):
        return ""
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
