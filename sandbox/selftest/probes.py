"""Harmless attacks on what is outside a sandbox, for trying whether it holds.

Each is shell that succeeds only where the sandbox does not hold; outside they bite, at least for
root. What asks the kernel itself does so by perl or Python, whichever is there.
"""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox.core.protocol import Limits

CANARY = "CODING_AGENT_CANARY"
MEMORY_MB = 64
PIDS = 64

READY = """\
for program in git setsid xargs cat grep head tail touch wc; do
    command -v $program >/dev/null || { echo "there is no $program in the sandbox"; exit 1; }
done
command -v perl >/dev/null || command -v python3 >/dev/null ||
    { echo "there is no perl and no python3 in the sandbox"; exit 1; }
touch .tried && rm .tried || { echo "the tree cannot be written in the sandbox"; exit 1; }
"""
"""What every tree needs, before anything is tried."""

_EPERM, _ENOSYS = 1, 38
_MACHINES = ("x86_64", "aarch64|arm64|riscv64")
"""As `uname -m` names them; those of one pattern number their system calls alike."""
_CALLS = {  # the number on each, and words that are harmless where the call is taken
    "ptrace": ((101, 117), (0, 0, 0, 0)),
    "bpf": ((321, 280), (-1, 0, 0)),
    "keyctl": ((250, 219), (0, -3, 0)),
    "userfaultfd": ((323, 282), (-1,)),
    "io_uring_setup": ((425, 425), (0, 0)),
    "perf_event_open": ((298, 241), (0, -1, -1, -1, 0)),
}


@dataclass(frozen=True)
class Probe:
    """`attack` is shell that succeeds only where the sandbox does not hold.

    `ready` is shell that says whether it can be tried there at all, and of what stays set for it.
    """

    name: str
    attack: str
    what: str
    ready: str = ":"

    @property
    def script(self) -> str:
        """Says `tried-`, and `through-` where it got through."""
        return (
            f"if {self.ready}; then echo tried-{self.name}; "
            f"if ( {self.attack} ) >/dev/null 2>&1; then echo through-{self.name}; fi; fi"
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
        Probe("namespace", "unshare -Ur true", "making a user namespace", programs("unshare")),
        Probe("vsock", _socket(40), "opening a socket to the hypervisor"),
        Probe(
            "loopback", f"exec 3<>/dev/tcp/127.0.0.1/{outside.port}", "connecting to this machine"
        ),
        Probe("abstract", _connect(outside.abstract), "connecting to a socket without a file"),
        Probe("network", "[ $(wc -l < /proc/net/route) -gt 1 ]", "reaching a network"),
    )
    return (*found, _calls()) if calls else found


def programs(*names: str) -> str:
    """Shell that says whether all of these are there."""
    return " && ".join(f"command -v {name} >/dev/null" for name in names)


def small_limits(limits: Limits) -> Limits:
    """Those that the bombs are to meet."""
    return replace(limits, memory_mb=MEMORY_MB, pids=PIDS, output_bytes=1 << 20)


def loop_script(marker: str) -> str:
    """Ignores what it can, and leaves a process behind that `marker` tells from others."""
    return f"trap '' TERM INT HUP; setsid sleep {marker} & echo tried-loop; while :; do :; done"


MEMORY_BOMB = (
    f"echo tried-memory; head -c {4 * MEMORY_MB}M /dev/zero | tail -c {4 * MEMORY_MB}M >/dev/null"
    " && echo through-memory"
)
OUTPUT_BOMB = "echo tried-output; yes"


def _either(perl: str, python: str) -> str:
    """Run what is there, with the words of `$words`."""
    return (
        f"if command -v perl; then perl -e {shlex.quote(perl)} $words; "
        f"else python3 -c {shlex.quote(python)} $words; fi"
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


def _calls() -> Probe:
    """Each call by its number, which depends on the machine that commands see."""
    numbered = [
        [",".join(map(str, (numbers[at], *words))) for numbers, words in _CALLS.values()]
        for at in range(len(_MACHINES))
    ]
    cases = " ".join(
        f"{machine}) words='{' '.join(calls)}' ;;"
        for machine, calls in zip(_MACHINES, numbered, strict=True)
    )
    refused = f"($! + 0 == {_EPERM} || $! + 0 == {_ENOSYS})"
    perl = (
        "for (@ARGV) { my ($n, @words) = map { $_ + 0 } split /,/; "
        f"exit 0 unless syscall($n, @words) == -1 && {refused} }} exit 1"
    )
    python = (
        "import ctypes, sys; libc = ctypes.CDLL(None, use_errno=True); "
        "calls = [map(ctypes.c_long, map(int, c.split(','))) for c in sys.argv[1:]]; "
        "taken = [c for c in calls if libc.syscall(*c) != -1 "
        f"or ctypes.get_errno() not in ({_EPERM}, {_ENOSYS})]; sys.exit(not taken)"
    )
    ready = f'words=; case $(uname -m) in {cases} esac; [ -n "$words" ]'
    return Probe("calls", _either(perl, python), f"calling {', '.join(_CALLS)}", ready)
