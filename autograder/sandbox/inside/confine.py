"""Confine the current process further than the sandbox that it was forked in. Linux only.

The submissions of a run share a sandbox, one after the other. So each gets its own namespaces
inside it: it sees no other process, what it writes goes to a file system that vanishes with it, and
what it leaves running is ended with it.

The kernel is called through ctypes: Python has ``os.unshare`` from 3.12 on only, and neither mounts
nor filters of system calls.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from course.forking import PR_SET_DUMPABLE, prctl

MEGABYTE = 1 << 20
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
CLONE_THREAD = 0x00010000
CLONE_NEWCGROUP = 0x02000000
# A new namespace of any kind that clone can make.
CLONE_NAMESPACES = (
    CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
    | CLONE_NEWCGROUP
)  # fmt: skip
AF_VSOCK = 40
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 0x4000, 0x40000
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP = 22, 38, 24
SECCOMP_MODE_FILTER = 2
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, doing: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


def enter_namespaces() -> None:
    """Move into new namespaces for users, mounts, processes, network and the rest.

    The process namespace holds for the children from now on: fork once more.

    Raises:
        OSError: the kernel does not allow it here.
    """
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
    # /proc/self belongs to root while a process is not dumpable, and the maps are in there.
    prctl(PR_SET_DUMPABLE, 1)
    _check(_libc.unshare(flags), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def private_files(scratch: str, megabytes: int) -> None:
    """Mount empty file systems where a process can write, and hide the other processes of
    ``/proc``.

    Args:
        scratch: the folder that holds the working directory.
        megabytes: the size of each file system.
    """
    # Of this process and its children alone: the one that waits for them goes on seeing /proc.
    _check(_libc.unshare(CLONE_NEWNS), "unshare")
    _mount("none", "/", None, MS_REC | MS_PRIVATE, None)
    for folder in (scratch, "/dev/shm"):
        options = f"size={megabytes}m,nr_inodes=10000,mode=0700"
        _mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, options)
    try:
        _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EBUSY):
            raise
        # Where a new /proc is not allowed, an almost empty one shows no process either. TensorFlow
        # asks it for the program that runs and its command line, and for nothing else.
        _mount("tmpfs", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=0700")
        Path("/proc/self").mkdir()
        Path("/proc/self/exe").symlink_to(sys.executable)
        Path("/proc/self/cmdline").write_bytes(b"python\0")


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None) -> None:
    def text(value: str | None) -> bytes | None:
        return None if value is None else value.encode()

    result = _libc.mount(
        text(source), text(target), text(kind), ctypes.c_ulong(flags), text(options)
    )
    _check(result, f"mounting {target}")


# Processes and threads that one submission may have at a time, where it may have several. Training
# with TensorFlow takes about forty threads.
MAX_PROCESSES = 200


def limit_resources(memory_mb: int, cpu_seconds: int, file_mb: int) -> None:
    """Limit what this process may take, beyond what it has now.

    Args:
        memory_mb: megabytes of address space.
        cpu_seconds: seconds on a processor.
        file_mb: megabytes in one file.
    """
    # Not with psutil, which looks the process up by its number: that is one of the new namespace,
    # and /proc still shows the old one's.
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    address_space = pages * resource.getpagesize() + memory_mb * MEGABYTE
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = int(used.ru_utime + used.ru_stime) + cpu_seconds
    limits = {
        resource.RLIMIT_AS: address_space,
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_FSIZE: file_mb * MEGABYTE,
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_CORE: 0,
        # Of this user in this user namespace, in which nothing else runs.
        resource.RLIMIT_NPROC: MAX_PROCESSES,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


def drop_privileges(programs: bool = False) -> None:
    """Give up every capability for good, and refuse the system calls that answers never need: new
    processes and programs, tracing, mounts, namespaces.

    Args:
        programs: whether to allow new processes and programs, as `!command` in a notebook needs.

    Raises:
        OSError: the kernel refuses, or this machine's system calls are not known here.
    """
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            break
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    header = struct.pack("<Ii", 0x20080522, 0)
    _check(_libc.capset(header, bytes(24)), "capset")
    _filter_system_calls(programs)


# What a process may not ask the kernel for; the first only where it may start no programs.
PROGRAMS = ("fork", "vfork", "execve", "execveat")
DENIED = (
    "ptrace", "process_vm_readv", "process_vm_writev", "perf_event_open", "bpf", "userfaultfd",
    "mount", "umount2", "pivot_root", "chroot", "open_by_handle_at", "unshare", "setns",
    "keyctl", "add_key", "request_key", "io_uring_setup",
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """A kind of machine: what seccomp calls it, and the numbers of its system calls.

    A call that the kind of machine does not have is None. The numbers are those of Linux's
    ``asm/unistd_64.h`` and ``asm-generic/unistd.h``. libseccomp knows them by name, but its Python
    module comes only with distributions, for their own Python.
    """

    architecture: int
    clone: int
    clone3: int
    socket: int
    denied: Mapping[str, int | None]


MACHINES = {
    "x86_64": Machine(
        architecture=0xC000003E,
        clone=56,
        clone3=435,
        socket=41,
        denied={
            "fork": 57, "vfork": 58, "execve": 59, "ptrace": 101, "pivot_root": 155,
            "chroot": 161, "mount": 165, "umount2": 166, "add_key": 248, "request_key": 249,
            "keyctl": 250, "unshare": 272, "perf_event_open": 298, "open_by_handle_at": 304,
            "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321,
            "execveat": 322, "userfaultfd": 323, "io_uring_setup": 425,
        },
    ),
    "aarch64": Machine(
        architecture=0xC00000B7,
        clone=220,
        clone3=435,
        socket=198,
        denied={
            "fork": None, "vfork": None, "umount2": 39, "mount": 40, "pivot_root": 41,
            "chroot": 51, "unshare": 97, "ptrace": 117, "add_key": 217, "request_key": 218,
            "keyctl": 219, "execve": 221, "perf_event_open": 241, "open_by_handle_at": 265,
            "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "bpf": 280,
            "execveat": 281, "userfaultfd": 282, "io_uring_setup": 425,
        },
    ),
}  # fmt: skip

# Instructions of the kernel's filters, and what a filter may return.
_LOAD, _JUMP_EQUAL, _JUMP_ATLEAST, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000


def _filter_system_calls(programs: bool) -> None:
    name = platform.machine()
    if name not in MACHINES:
        raise OSError(errno.ENOSYS, f"no list of system calls for {name}")
    machine = MACHINES[name]
    calls = DENIED if programs else (*PROGRAMS, *DENIED)
    denied = [number for call in calls if (number := machine.denied[call]) is not None]
    deny = _ERRNO | errno.EPERM
    program = [
        (_LOAD, 0, 0, 4),
        (_JUMP_EQUAL, 1, 0, machine.architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
    ]
    if name == "x86_64":
        # The same calls exist a second time, with one more bit set, for 32-bit pointers.
        program += [(_JUMP_ATLEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, _KILL)]
    for number in denied:
        program += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, deny)]
    program += [
        # Sockets to the machine that this one runs on: no namespace separates them.
        (_JUMP_EQUAL, 0, 4, machine.socket),
        (_LOAD, 0, 0, 16),
        (_JUMP_EQUAL, 0, 1, AF_VSOCK),
        (_RETURN, 0, 0, deny),
        (_RETURN, 0, 0, _ALLOW),
        # The C library falls back to clone, whose flags a filter can read.
        (_JUMP_EQUAL, 0, 1, machine.clone3),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        (_JUMP_EQUAL, 0, 3, machine.clone),
        (_LOAD, 0, 0, 16),
        (_JUMP_SET, 0, 1, CLONE_NAMESPACES) if programs else (_JUMP_SET, 1, 0, CLONE_THREAD),
        (_RETURN, 0, 0, deny),
        (_RETURN, 0, 0, _ALLOW),
    ]
    instructions = b"".join(struct.pack("<HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(instructions)
    filter_ = struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(buffer))
    result = _libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(filter_), 0, 0)
    _check(result, "seccomp")
