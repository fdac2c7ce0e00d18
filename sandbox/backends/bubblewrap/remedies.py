"""What to do where bubblewrap's sandbox cannot be had: exact commands, by what was said."""

import re
import shlex
from pathlib import Path

UPGRADE = (
    "Install bubblewrap 0.8 or newer (Debian 12 and Ubuntu 24.04 have it): "
    "sudo apt-get update && sudo apt-get install -y bubblewrap"
)
PROFILE = Path(__file__).with_name("apparmor") / "coding-agent-bwrap"
"""Lets bubblewrap alone have user namespaces, and what it runs have no right in them."""

APPARMOR = (
    "AppArmor keeps user namespaces from bubblewrap; this profile lets it have them: "
    f"sudo install -m 644 {shlex.quote(str(PROFILE))} /etc/apparmor.d/ && "
    f"sudo apparmor_parser -r /etc/apparmor.d/{PROFILE.name}"
)
SYSCTL = "The kernel refuses user namespaces: sudo sysctl -w {name}={value}"
CONTAINER = (
    "This container may not make sandboxes: start it with --security-opt seccomp=unconfined "
    "--security-opt apparmor=unconfined --security-opt systempaths=unconfined"
)
NO_GIT = "Install it: sudo apt-get install -y git util-linux findutils coreutils grep perl"
LEFT_OPEN = (
    "Do not run untrusted code here. Update what confines it, then try again: "
    "sudo apt-get update && sudo apt-get install -y bubblewrap libseccomp2 util-linux"
)

_SWITCHES = (
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "15000"),
)
_OLD = re.compile(r"Unknown option --(disable-userns|assert-userns-disabled|perms|size)")
_REFUSED = re.compile(
    r"new namespace|uid map|RTM_NEWADDR|Failed to make / slave|pivot_root|mount proc"
    r"|max_user_namespaces|Operation not permitted"
)
_MISSING = re.compile(r"there is no .+ in the sandbox")
_PARENT = re.compile(r"Can't find source path (/\S+): Permission denied")


def bubblewrap_remedy(said: str, proc_sys: Path = Path("/proc/sys")) -> str:
    """The command that fixes it, by what bubblewrap said and how the kernel is set."""
    if _OLD.search(said):
        return UPGRADE
    if parent := _PARENT.search(said):
        return (
            f"Let every user read the folders above {parent[1]} (chmod o+rx), "
            "or set CODING_AGENT_DATA_DIR to a folder below /var/lib"
        )
    if not _REFUSED.search(said):
        return NO_GIT if _MISSING.search(said) else LEFT_OPEN
    for name, closed, value in _SWITCHES:
        if _value(proc_sys, name) == closed:
            return SYSCTL.format(name=name, value=value)
    if _value(proc_sys, "kernel.apparmor_restrict_unprivileged_userns") == "1":
        return APPARMOR
    return CONTAINER


def _value(proc_sys: Path, name: str) -> str:
    """Empty for a switch that this kernel does not have."""
    try:
        return (proc_sys / name.replace(".", "/")).read_text().strip()
    except OSError:
        return ""
