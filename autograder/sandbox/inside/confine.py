"""Lock the current process up, further than the sandbox that it was forked in.

A sandbox is shared by the submissions of a run, one after the other. So each gets namespaces of its
own inside it: it sees no other process, it writes to a file system of its own that vanishes with
it, and what it leaves running is ended with it. Linux only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from pathlib import Path

from course.forking import PR_SET_DUMPABLE, prctl

MEGABYTE = 1 << 20
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
CLONE_THREAD = 0x00010000
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
    # /proc/self belongs to root while a process is not dumpable, and the maps stand there.
    prctl(PR_SET_DUMPABLE, 1)
    _check(_libc.unshare(flags), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def private_files(scratch: str, megabytes: int) -> None:
    """Mount an empty file system of limited size wherever one can write, and hide ``/proc``'s
    other processes."""
    _mount("none", "/", None, MS_REC | MS_PRIVATE, None)
    for folder in (scratch, "/dev/shm"):
        options = f"size={megabytes}m,nr_inodes=10000,mode=0700"
        _mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, options)
    try:
        _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EBUSY):
            raise
        # Where a fresh /proc is not allowed, none at all shows no process either. TensorFlow asks
        # it for the program that runs and its command line, and for nothing else.
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


def limit_resources(memory_mb: int, cpu_seconds: int, file_mb: int) -> None:
    """Limits on what this process may still take, beyond what it has now."""
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
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


def drop_privileges() -> None:
    """Give up every capability for good, then refuse the system calls that answers never need:
    new processes and programs, tracing, mounts, namespaces."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            break
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    header = struct.pack("<Ii", 0x20080522, 0)
    _check(_libc.capset(header, bytes(24)), "capset")
    _filter_system_calls()


# By machine: seccomp's name for the architecture, and the numbers of the system calls.
_SYSTEM_CALLS = {
    "x86_64": (
        0xC000003E,
        56,
        435,
        # fork vfork execve execveat ptrace process_vm_readv process_vm_writev mount umount2
        # unshare setns bpf perf_event_open keyctl add_key request_key userfaultfd io_uring_setup
        # pivot_root chroot open_by_handle_at
        (57, 58, 59, 322, 101, 310, 311, 165, 166, 272, 308, 321, 298, 250, 248, 249, 323, 425,
         155, 161, 304),
    ),
    "aarch64": (
        0xC00000B7,
        220,
        435,
        (221, 281, 117, 270, 271, 40, 39, 97, 268, 280, 241, 219, 217, 218, 282, 425, 41, 51, 265),
    ),
}  # fmt: skip
_LOAD, _JUMP_EQUAL, _JUMP_ATLEAST, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000


def _filter_system_calls() -> None:
    machine = platform.machine()
    if machine not in _SYSTEM_CALLS:
        raise OSError(errno.ENOSYS, f"no list of system calls for {machine}")
    architecture, clone, clone3, denied = _SYSTEM_CALLS[machine]
    deny = _ERRNO | errno.EPERM
    program = [
        (_LOAD, 0, 0, 4),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
    ]
    if machine == "x86_64":
        # The same calls exist a second time, with another bit set, for 32-bit pointers.
        program += [(_JUMP_ATLEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, _KILL)]
    for number in denied:
        program += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, deny)]
    program += [
        # The C library falls back to clone, whose flags a filter can read.
        (_JUMP_EQUAL, 0, 1, clone3),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        (_JUMP_EQUAL, 0, 3, clone),
        (_LOAD, 0, 0, 16),
        (_JUMP_SET, 1, 0, CLONE_THREAD),
        (_RETURN, 0, 0, deny),
        (_RETURN, 0, 0, _ALLOW),
    ]
    instructions = b"".join(struct.pack("<HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(instructions)
    filter_ = struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(buffer))
    result = _libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(filter_), 0, 0)
    _check(result, "seccomp")
