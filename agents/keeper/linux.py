"""What Linux can do and Python does not name, by ctypes; every refusal is an OSError."""

import ctypes
import os

SET_PDEATHSIG = 1
CAPBSET_DROP = 24
SET_CHILD_SUBREAPER = 36
SET_NO_NEW_PRIVS = 38

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
"""Of unshare(2)."""
NOSUID, NODEV, NOEXEC, BIND, REC, PRIVATE = 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x40000
"""Of mount(2)."""
READ_ONLY = 0x1
"""Of mount_setattr(2), where NOSUID and NODEV are the same as above."""
DETACH = 2

_MOUNT_SETATTR = 442
_RECURSIVE = 0x8000
_HERE = -100

_libc = ctypes.CDLL(None, use_errno=True)


def syscall(number: int, *arguments: object) -> int:
    return _done(_libc.syscall(ctypes.c_long(number), *map(_long, arguments)))


def prctl(option: int, *values: int) -> None:
    _done(_libc.prctl(*map(ctypes.c_ulong, (option, *values, 0, 0, 0, 0)[:5])))


def unshare(flags: int) -> None:
    _done(_libc.unshare(flags))


def mount(what: str, where: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    texts = (os.fsencode(text) or None for text in (what, where, kind))
    _done(_libc.mount(*texts, ctypes.c_ulong(flags), os.fsencode(options) or None))


def remount(where: str, attributes: int, *, inner: bool = True) -> None:
    """Let a mount, and with `inner` all below it, have these attributes besides (Linux 5.12)."""
    wanted = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    path = ctypes.c_char_p(os.fsencode(where))
    syscall(_MOUNT_SETATTR, _HERE, path, _RECURSIVE if inner else 0, ctypes.byref(wanted), 32)


def pivot_root(new: str, old: str) -> None:
    _done(_libc.pivot_root(os.fsencode(new), os.fsencode(old)))


def unmount(where: str) -> None:
    _done(_libc.umount2(os.fsencode(where), DETACH))


def drop_capabilities() -> None:
    """Nothing that is begun from here can do what only the administrator may, even as uid 0."""
    try:
        for number in range(64):
            prctl(CAPBSET_DROP, number)
    except OSError:
        pass  # after the last one that the kernel knows; or we have none, and then there is none to drop
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _done(_libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())))
    prctl(SET_NO_NEW_PRIVS, 1)


def _long(argument: object) -> object:
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def _done(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
