"""The system call filter of a container: docker's own, less what ours refuses.

A filter that docker is given takes the place of its own, so this one has to be as strict: it names
what may be called. These are the calls that docker leaves to containers without a capability, on
64-bit machines. What is in no table is refused; where it is newer than all of them, as unknown.
"""

import errno
import json
from collections.abc import Collection, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from graph.files import write_whole
from sandbox.host.seccomp_tables import (
    ENOSYS_CALLS,
    EPERM_CALLS,
    LOW_HALF,
    NAMESPACE_FLAGS,
    REFUSED_REQUESTS,
    SOCKET_FAMILIES,
    UNSUPPORTED_CALLS,
)

ALLOWED = (
    # files and folders
    "open openat openat2 creat close close_range read readv pread64 preadv preadv2 write writev "
    "pwrite64 pwritev pwritev2 lseek dup dup2 dup3 fcntl flock fsync fdatasync sync syncfs "
    "sync_file_range truncate ftruncate fadvise64 readahead cachestat sendfile splice "
    "tee vmsplice copy_file_range stat fstat lstat newfstatat statx statfs fstatfs statmount "
    "listmount access faccessat faccessat2 chmod fchmod fchmodat fchmodat2 chown fchown lchown "
    "fchownat umask utime utimes futimesat utimensat mkdir mkdirat rmdir mknod mknodat link linkat "
    "symlink symlinkat readlink readlinkat unlink unlinkat rename renameat renameat2 chdir fchdir "
    "getcwd getdents getdents64 getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr "
    "fsetxattr setxattrat listxattr llistxattr flistxattr listxattrat removexattr lremovexattr "
    "fremovexattr removexattrat inotify_init inotify_init1 inotify_add_watch inotify_rm_watch "
    "fanotify_mark io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents "
    # waiting, pipes and sockets
    "pipe pipe2 poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_ctl_old "
    "epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 socketpair bind listen "
    "accept accept4 connect shutdown getsockname getpeername getsockopt setsockopt sendto sendmsg "
    "sendmmsg recvfrom recvmsg recvmmsg "
    # memory, what processes share
    "brk mmap munmap mremap mprotect msync madvise mincore mlock mlock2 mlockall munlock "
    "munlockall mseal membarrier memfd_create map_shadow_stack remap_file_pages pkey_alloc "
    "pkey_free pkey_mprotect shmget shmat shmdt shmctl semget semop semtimedop semctl msgget "
    "msgsnd msgrcv msgctl mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify "
    "mq_getsetattr futex futex_wait futex_waitv futex_wake futex_requeue get_robust_list "
    "set_robust_list "
    # processes, signals, users
    "fork vfork execve execveat exit exit_group wait4 waitid kill tkill tgkill pause rt_sigaction "
    "rt_sigprocmask rt_sigpending rt_sigqueueinfo rt_tgsigqueueinfo rt_sigreturn rt_sigsuspend "
    "rt_sigtimedwait sigaltstack signalfd signalfd4 restart_syscall pidfd_open pidfd_send_signal "
    "process_mrelease prctl arch_prctl set_thread_area get_thread_area set_tid_address rseq "
    "uretprobe seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self "
    "getpid getppid gettid getpgid getpgrp setpgid getsid setsid getuid geteuid getresuid setuid "
    "setreuid setresuid setfsuid getgid getegid getresgid setgid setregid setresgid setfsgid "
    "getgroups setgroups capget capset getrlimit setrlimit prlimit64 getrusage getpriority "
    "setpriority ioprio_get ioprio_set sched_yield sched_getparam sched_setparam "
    "sched_getscheduler sched_setscheduler sched_getattr sched_setattr sched_getaffinity "
    "sched_setaffinity sched_get_priority_max sched_get_priority_min sched_rr_get_interval "
    # time and the machine
    "time times gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep alarm getitimer "
    "setitimer timer_create timer_settime timer_gettime timer_getoverrun timer_delete "
    "timerfd_create timerfd_settime timerfd_gettime getcpu getrandom sysinfo uname "
    "riscv_flush_icache riscv_hwprobe"
)
PERSONALITIES = (0, 8, 0x20000, 0x20008, LOW_HALF)
"""Linux, UNAME26 and the old way to lay out memory, as docker has it, and only asking."""

ARCHITECTURES = ("X86_64", "AARCH64", "RISCV64")
"""The machine's own of them alone: programs of 32 bits are ended."""


def profile_file(state: Path) -> Path:
    """The filter as the file that docker's program reads, made once."""
    text = json.dumps(profile())
    path = state / f"docker-seccomp-{sha256(text.encode()).hexdigest()[:16]}.json"
    if not path.exists():
        write_whole(path, text.encode())
    return path


def profile() -> dict[str, Any]:
    allowed = sorted(set(ALLOWED.split()) - set(EPERM_CALLS.split()) - set(ENOSYS_CALLS))
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [{"architecture": f"SCMP_ARCH_{name}"} for name in ARCHITECTURES],
        "syscalls": [
            {"names": allowed, "action": "SCMP_ACT_ALLOW"},
            {"names": ENOSYS_CALLS, "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS},
            {"names": UNSUPPORTED_CALLS, "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EOPNOTSUPP},
            _where("clone", 0, sum(NAMESPACE_FLAGS), 0),
            *(_where("socket", 0, LOW_HALF, family) for family in SOCKET_FAMILIES),
            *(_where("personality", 0, LOW_HALF, known) for known in PERSONALITIES),
            *(_where("ioctl", 1, mask, rest) for mask, rest in all_but(REFUSED_REQUESTS)),
        ],
    }


def all_but(numbers: Collection[int]) -> Iterator[tuple[int, int]]:
    """Masks and what they leave: together they match each number of 32 bits but these."""
    for bit in range(32):
        starts = {number >> bit for number in numbers}
        for start in sorted(starts):
            if start ^ 1 not in starts:
                yield LOW_HALF >> bit << bit, (start ^ 1) << bit


def _where(name: str, index: int, mask: int, rest: int) -> dict[str, Any]:
    """Allow it where of an argument's bits the mask leaves `rest`."""
    condition = {"index": index, "op": "SCMP_CMP_MASKED_EQ", "value": mask, "valueTwo": rest}
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": [condition]}
