"""The filter of a container, which has to be as strict as docker's own that it takes the place of.

That it refuses what ours does under bubblewrap is in `test_seccomp.py`.
"""

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.backends.docker.argv import ContainerLine
from sandbox.backends.docker.backend import Docker
from sandbox.backends.docker.seccomp_profile import ALLOWED, all_but
from sandbox.core.protocol import Limits
from sandbox.host.seccomp_tables import (
    ENOSYS_CALLS,
    EPERM_CALLS,
    LOW_HALF,
    REFUSED_REQUESTS,
    UNSUPPORTED_CALLS,
)
from tests.support.sandbox.docker_backend import no_daemon, on_daemon, opened
from tests.support.sandbox.system_calls import HARMLESS, answers, number

pytestmark = pytest.mark.sandbox

HIGHEST_CALL = 500
REFUSALS = {errno.EPERM, errno.ENOSYS}
LATER = (
    *("pkey_alloc", "pkey_free", "pkey_mprotect", "cachestat", "fchmodat2", "futex_wait"),
    *("futex_wake", "futex_requeue", "map_shadow_stack", "mseal", "statmount", "listmount"),
    *("getxattrat", "setxattrat", "listxattrat", "removexattrat", "uretprobe"),
)
"""What younger dockers allow, and that at hand may not know."""
PERSONALITY = "personality"
"""Asked with all bits set it tells; docker's own looks at all 64 of them."""


def test_no_call_is_in_two_tables() -> None:
    names = [*ALLOWED.split(), *EPERM_CALLS.split(), *ENOSYS_CALLS, *UNSUPPORTED_CALLS]
    assert sorted(set(names)) == sorted(names)


def test_all_numbers_but_some_are_matched() -> None:
    kept = list(all_but(REFUSED_REQUESTS))
    tried = {near + step for near in (0, *REFUSED_REQUESTS, LOW_HALF) for step in range(-16, 17)}
    tried |= {request ^ 1 << bit for request in REFUSED_REQUESTS for bit in range(32)}
    for request in tried:
        low = request & LOW_HALF
        matched = any(low & mask == rest for mask, rest in kept)
        assert matched == (low not in REFUSED_REQUESTS)


@pytest.fixture
def daemon(data_dir: Path) -> Docker:
    if reason := no_daemon():
        pytest.skip(reason)
    return Docker(on_daemon(data_dir, Limits()))


async def test_what_dockers_own_filter_refuses_is_refused(daemon: Docker, data_dir: Path) -> None:
    """Every call by its number; the control is a container with docker's own filter."""
    sandbox = opened(daemon, data_dir)
    numbers = set(range(HIGHEST_CALL)) - {number("sync"), number("vfork")}
    calls = [(str(call), call, HARMLESS) for call in sorted(numbers)]
    ours = await answers(sandbox, calls)
    await sandbox.close()
    sandbox = opened(daemon, data_dir, "own")
    sandbox._line, sandbox._warm = with_own_filter(sandbox._line), None
    own = await answers(sandbox, calls)
    await sandbox.close()
    refused = {call for call, answer in own.items() if answer in REFUSALS}
    assert {str(number(name)) for name in ("mount", "unshare", "bpf", "add_key")} <= refused
    assert str(number("socket")) not in refused
    opened_up = {call for call in refused if ours[call] not in REFUSALS}
    assert opened_up <= {str(number(name)) for name in (*LATER, PERSONALITY)}
    assert ours[str(HIGHEST_CALL - 1)] == errno.ENOSYS


def with_own_filter(line: ContainerLine) -> ContainerLine:
    return replace(line, constant=tuple(word for word in line.constant if "seccomp" not in word))
