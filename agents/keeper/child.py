"""From the fork to the command: everything that is taken away before it begins."""

import contextlib
import os
import resource
import signal
from collections.abc import Callable
from typing import NoReturn

from agents.keeper import landlock, linux, namespaces
from agents.keeper.family import tasks_of
from agents.keeper.order import Order

FAILED = 125
_NICE = 5
_FIRST_TO_GO = "500"
"""When memory runs out, the kernel ends a command before it ends a worker."""


def begin(order: Order, keeper: int, tell: Callable[[str], None]) -> NoReturn:
    """Never returns. Whatever fails is told, also in the processes that are forked below."""
    try:
        _become(order, keeper)
    except (OSError, ValueError) as error:
        tell(str(error))
    finally:
        os._exit(FAILED)


def _become(order: Order, keeper: int) -> NoReturn:
    os.setsid()
    os.umask(0o022)
    _streams()
    _signals()
    apart = order.confinement == "namespaces"
    if apart:
        namespaces.enter(order.network)
    linux.prctl(linux.SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        os._exit(FAILED)
    if apart:
        namespaces.be_first()
        namespaces.new_root(order.readable, order.writable)
        namespaces.serve()
    os.chdir(order.folder)
    _lower(order)
    if order.confinement != "program":
        linux.drop_capabilities()
    if order.confinement == "landlock":
        landlock.restrict(order.readable, order.writable, order.network)
    os.execve(order.argv[0], order.argv, order.environment)


def _streams() -> None:
    """Nothing to read, and what it says as an error goes where its output goes."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(1, 2)


def _signals() -> None:
    """As a program expects to find them; what Python ignores would be ignored by the command, too."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)


def _lower(order: Order) -> None:
    os.nice(_NICE)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(_FIRST_TO_GO)
    limits = dict(order.limits)
    if order.processes:
        limits["NPROC"] = tasks_of(os.getuid()) + order.processes
    for name, limit in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        highest = resource.getrlimit(kind)[1]
        if highest != resource.RLIM_INFINITY:
            limit = min(limit, highest)
        resource.setrlimit(kind, (limit, limit))
