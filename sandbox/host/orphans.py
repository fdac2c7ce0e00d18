"""What a service that was killed may leave behind, and how the next one knows it.

bubblewrap ends with the service, except where that dies in the few milliseconds of a start: then
bubblewrap's first process may wait for ever. It has run nothing yet, but it holds namespaces.
"""

import contextlib
import os
import signal
from pathlib import Path

MARK = "CODING_AGENT_SANDBOX_OF"
"""In the environment of bubblewrap itself, not of what it runs: the service that started it."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def end_orphans() -> None:
    """Kill the sandboxes of services that are no more. Blocks."""
    for folder in Path("/proc").iterdir():
        service = _service(folder) if folder.name.isdecimal() else ""
        if service and is_gone(service):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(folder.name), signal.SIGKILL)


def process_name(pid: int) -> str:
    """A name for a process that no other has, earlier or later, here or on another machine.

    Of one that is gone, the empty string.
    """
    stat = read_text(Path(f"/proc/{pid}/stat"))
    if not stat:
        return ""
    started = stat.rpartition(")")[2].split()[19]
    return f"{_machine()}-{pid}-{started}"


def is_gone(name: str) -> bool:
    """Whether the process of that name is no more; of another machine's, nobody here can tell."""
    machine, _, process = name.rpartition("-")[0].rpartition("-")
    if machine != _machine() or not process.isdecimal() or process_name(int(process)) == name:
        return False
    return bool(process_name(int(process))) or not _is_hidden(int(process))


def read_text(file: "str | os.PathLike[str]") -> str:
    """Empty where it cannot be read: another user's, or just removed."""
    try:
        with open(file, errors="replace") as text:  # noqa: PTH123 - quicker, and called often
            return text.read()
    except OSError:
        return ""


def _is_hidden(pid: int) -> bool:
    """Whether there is such a process that `/proc` does not show: another user's (`hidepid`)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def _service(folder: Path) -> str:
    """Who started a process, where that was one of us."""
    for entry in read_text(folder / "environ").split("\0"):
        name, _, value = entry.partition("=")
        if name == MARK:
            return value
    return ""


def _machine() -> str:
    """This boot of this machine, and the namespace in which it numbers processes."""
    boot = read_text(BOOT_ID).strip().replace("-", "")
    return f"{boot[:12]}-{Path('/proc/self/ns/pid').stat().st_ino}"
