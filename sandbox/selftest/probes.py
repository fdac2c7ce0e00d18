"""Harmless attacks on what is outside a sandbox, for trying whether it holds.

Each is shell that succeeds only where the sandbox does not hold; outside they bite, at least for
root. What asks the kernel itself does so by perl or Python, whichever is there.
"""

import platform
import shlex
from dataclasses import dataclass
from pathlib import Path

CANARY = "CODING_AGENT_CANARY"
MEMORY_MB = 64
PIDS = 64

READY = """\
for program in git setsid xargs; do
    command -v $program >/dev/null || { echo "there is no $program in the sandbox"; exit 1; }
done
touch .tried && rm .tried || { echo "the tree cannot be written in the sandbox"; exit 1; }
"""
"""What every tree needs, before anything is tried."""

_EPERM, _ENOSYS = 1, 38
_CALLS = {  # number by architecture, and words that are harmless where the call is taken
    "ptrace": ({"x86_64": 101, "aarch64": 117}, (0, 0, 0, 0)),
    "bpf": ({"x86_64": 321, "aarch64": 280}, (-1, 0, 0)),
    "keyctl": ({"x86_64": 250, "aarch64": 219}, (0, -3, 0)),
    "userfaultfd": ({"x86_64": 323, "aarch64": 282}, (-1,)),
    "io_uring_setup": ({"x86_64": 425, "aarch64": 425}, (0, 0)),
    "perf_event_open": ({"x86_64": 298, "aarch64": 241}, (0, -1, -1, -1, 0)),
}
_FILTERED = "grep -q '^Seccomp:.2' /proc/self/status"


@dataclass(frozen=True)
class Probe:
    """`attack` is shell that succeeds only where the sandbox does not hold."""

    name: str
    attack: str
    what: str

    @property
    def script(self) -> str:
        """Says `tried-`, and `through-` where it got through."""
        return (
            f"echo tried-{self.name}; "
            f"if ( {self.attack} ) >/dev/null 2>&1; then echo through-{self.name}; fi"
        )


DEVICES = Probe(
    "devices",
    "for d in /dev/kmsg /dev/mem /dev/kvm /dev/vsock /dev/[svx]d[a-z] /dev/nvme*; "
    "do [ -e $d ] && exit; done; exit 1",
    "seeing devices of this machine",
)
SYSCTL = Probe(
    "sysctl",
    'read -r v < /proc/sys/kernel/core_pattern && echo "$v" > /proc/sys/kernel/core_pattern',
    "setting up the kernel",
)


@dataclass(frozen=True)
class Outside:
    """What lies outside: a file, a port, a socket without a file, a process and its start."""

    file: Path
    port: int
    abstract: str
    pid: int
    started: str


def probes(outside: Outside, *, calls: bool) -> tuple[Probe, ...]:
    """Attacks on what is outside; run with a canary in the environment, they all bite there.

    `calls`: also those that only a system call filter of ours refuses.
    """
    found = (
        Probe("environment", f'[ -n "${CANARY}" ]', "reading the environment it was started from"),
        Probe(
            "processes",
            f"grep -q ' {outside.started} ' /proc/{outside.pid}/stat",
            "seeing processes of this machine",
        ),
        Probe("file", f"cat {shlex.quote(str(outside.file))}", "reading a file outside the tree"),
        Probe("system", "touch /usr/bin/.tried && rm /usr/bin/.tried", "writing to the system"),
        DEVICES,
        SYSCTL,
        Probe("namespace", "unshare -Ur true", "making a user namespace"),
        Probe("vsock", _socket(40), "opening a socket to the hypervisor"),
        Probe(
            "loopback", f"exec 3<>/dev/tcp/127.0.0.1/{outside.port}", "connecting to this machine"
        ),
        Probe("abstract", _connect(outside.abstract), "connecting to a socket without a file"),
        Probe("network", "[ $(wc -l < /proc/net/route) -gt 1 ]", "reaching a network"),
    )
    return (*found, Probe("calls", _calls(), f"calling {', '.join(_CALLS)}")) if calls else found


def loop_script(marker: str) -> str:
    """Ignores what it can, and leaves a process behind that `marker` tells from others."""
    return f"trap '' TERM INT HUP; setsid sleep {marker} & echo tried-loop; while :; do :; done"


MEMORY_BOMB = (
    f"echo tried-memory; head -c {4 * MEMORY_MB}M /dev/zero | tail -c {4 * MEMORY_MB}M >/dev/null"
    " && echo through-memory"
)
OUTPUT_BOMB = "echo tried-output; yes"


def _either(perl: str, python: str) -> str:
    """Run what is there; where neither is, a filter that is on must do."""
    return (
        f"if command -v perl; then perl -e {shlex.quote(perl)}; "
        f"elif [ -x /usr/bin/python3 ]; then /usr/bin/python3 -c {shlex.quote(python)}; "
        f"else ! {_FILTERED}; fi"
    )


def fork_bomb() -> str:
    """Two times as many processes as there may be, all at once."""
    perl = f"for (1..{2 * PIDS}) {{ defined(my $p = fork) or exit 1; $p or exit !sleep 1 }}"
    python = (
        "import os, time\n"
        f"for _ in range({2 * PIDS}):\n    os.fork() or (time.sleep(1), os._exit(0))"
    )
    return (
        f"echo tried-forks; if ( {_either(perl, python)} ) >/dev/null; then echo through-forks; fi"
    )


def _socket(family: int) -> str:
    return _either(
        f"exit !socket(my $s, {family}, 1, 0)", f"import socket; socket.socket({family}, 1)"
    )


def _connect(abstract: str) -> str:
    return _either(
        f'my $s; exit !(socket($s, 1, 1, 0) && connect($s, pack("S a*", 1, "\\0{abstract}")))',
        f"import socket; socket.socket(socket.AF_UNIX).connect('\\0{abstract}')",
    )


def _calls() -> str:
    machine = platform.machine()
    asked = [[number[machine], *words] for number, words in _CALLS.values() if machine in number]
    refused = f"($! + 0 == {_EPERM} || $! + 0 == {_ENOSYS})"
    perl = (
        f"for ({', '.join(str(call) for call in asked)}) "
        f"{{ my $n = shift @$_; exit 0 unless syscall($n, @$_) == -1 && {refused} }} exit 1"
    )
    python = (
        "import ctypes, sys; libc = ctypes.CDLL(None, use_errno=True); "
        f"taken = [c for c in {asked} if libc.syscall(*map(ctypes.c_long, c)) != -1 "
        f"or ctypes.get_errno() not in ({_EPERM}, {_ENOSYS})]; sys.exit(not taken)"
    )
    return _either(perl, python)
