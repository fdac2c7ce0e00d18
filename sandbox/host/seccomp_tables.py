"""The system call filter: what no command in a sandbox needs, and the kernel's weak spots are in.

Everything else stays allowed. `personality` too, while `ptrace` is refused: debuggers do not work
inside. libc falls back to `clone` where `clone3` is unknown, so its flags can be looked at. Room on
the disk is not had without writing it, quicker than a watcher can see: libc writes where it must.
"""

import errno
import tempfile
from functools import cache
from typing import Any

from graph.errors import SandboxUnavailable

EPERM_CALLS = (
    "mount umount umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick "
    "mount_setattr setns unshare "
    "ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp "
    "keyctl add_key request_key bpf perf_event_open userfaultfd fanotify_init lookup_dcookie "
    "open_by_handle_at name_to_handle_at memfd_secret "
    "kexec_load kexec_file_load init_module finit_module delete_module create_module reboot swapon "
    "swapoff acct quotactl quotactl_fd syslog "
    "settimeofday clock_settime clock_adjtime adjtimex stime sethostname setdomainname iopl ioperm "
    "modify_ldt vm86 vm86old vhangup nfsservctl uselib ustat sysfs _sysctl "
    "mbind migrate_pages move_pages set_mempolicy get_mempolicy set_mempolicy_home_node "
)
ENOSYS_CALLS = ("clone3", "io_uring_setup", "io_uring_enter", "io_uring_register")
UNSUPPORTED_CALLS = ("fallocate",)
NAMESPACE_FLAGS = (
    0x80,  # CLONE_NEWTIME
    0x20000,  # CLONE_NEWNS
    0x2000000,  # CLONE_NEWCGROUP
    0x4000000,  # CLONE_NEWUTS
    0x8000000,  # CLONE_NEWIPC
    0x10000000,  # CLONE_NEWUSER
    0x20000000,  # CLONE_NEWPID
    0x40000000,  # CLONE_NEWNET
)
REFUSED_REQUESTS = (
    *(0x5412, 0x541C),  # TIOCSTI, TIOCLINUX: put input into a terminal
    *(0x40305828, 0x4030582A, 0x40305839),  # FS_IOC_RESVSP, _RESVSP64, _ZERO_RANGE: fallocate
)
SOCKET_FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6; AF_NETLINK for getifaddrs
HIGHEST_FAMILY = 46
LOW_HALF = 0xFFFFFFFF  # the kernel looks at the low 32 bits of these arguments only


@cache
def compile_filter() -> bytes:
    """The filter as the BPF program that bubblewrap loads. Raises SandboxUnavailable."""
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError) as error:
        raise SandboxUnavailable(
            f"the system call filter cannot be built: {error}",
            "Install libseccomp: sudo apt-get install -y libseccomp2",
        ) from error
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    _refuse_calls(pyseccomp, rules)
    _refuse_arguments(pyseccomp, rules)
    with tempfile.TemporaryFile() as program:
        rules.export_bpf(program)
        program.seek(0)
        return program.read()


def _refuse_calls(seccomp: Any, rules: Any) -> None:
    calls = {
        **dict.fromkeys(EPERM_CALLS.split(), errno.EPERM),
        **dict.fromkeys(ENOSYS_CALLS, errno.ENOSYS),
        **dict.fromkeys(UNSUPPORTED_CALLS, errno.EOPNOTSUPP),
    }
    for name, code in calls.items():
        try:
            number = seccomp.resolve_syscall(seccomp.system_arch(), name)
        except ValueError:
            continue  # a name this libseccomp does not know
        if number >= 0:  # below zero: not a call of this architecture
            rules.add_rule(seccomp.ERRNO(code), name)


def _refuse_arguments(seccomp: Any, rules: Any) -> None:
    refuse = seccomp.ERRNO(errno.EPERM)
    for flag in NAMESPACE_FLAGS:
        rules.add_rule(refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, flag, flag))
    for request in REFUSED_REQUESTS:
        rules.add_rule(refuse, "ioctl", seccomp.Arg(1, seccomp.MASKED_EQ, LOW_HALF, request))
    no_family = seccomp.ERRNO(errno.EAFNOSUPPORT)
    for family in sorted(set(range(HIGHEST_FAMILY + 1)) - set(SOCKET_FAMILIES)):
        rules.add_rule(no_family, "socket", seccomp.Arg(0, seccomp.MASKED_EQ, LOW_HALF, family))
    rules.add_rule(no_family, "socket", seccomp.Arg(0, seccomp.GT, HIGHEST_FAMILY))
