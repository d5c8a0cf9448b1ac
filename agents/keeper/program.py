"""The keeper itself: starts a command, watches it and its worker, and ends all that came of it."""

import contextlib
import json
import os
import select
import signal
import time

from agents.keeper import child, linux
from agents.keeper.family import descendants
from agents.keeper.namespaces import code_of
from agents.keeper.order import Order

STOP = b"s"
"""What the worker writes when the command is to end; that its pipe closes means that the worker is gone."""
GRACE_SECONDS = 3.0
KILL_SECONDS = 5.0
_LOOK_SECONDS = 0.05


class Keeper:
    """Orphans below a subreaper become its children, wherever they moved to: nobody leaves the family."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._code: int | None = None
        self._asked = self._deserted = False
        self._rung = self._bell()
        self._told = os.dup(2)
        linux.prctl(linux.SET_CHILD_SUBREAPER, 1)

    def keep(self) -> None:
        self._command = self._begin()
        while self._code is None and not (self._asked or self._deserted):
            self._wait(None)
            self._bury()
        if self._asked:
            self._ask_all()
        self._kill_all()
        self._tell({"code": self._code, "left": len(self._family())})

    def _bell(self) -> int:
        """Readable whenever a child has died, or somebody else than the worker wants us to end."""
        rung, ring = os.pipe()
        os.set_blocking(rung, False)
        os.set_blocking(ring, False)
        signal.set_wakeup_fd(ring)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._leave)
        return rung

    def _leave(self, *_: object) -> None:
        self._asked = True

    def _begin(self) -> int:
        me = os.getpid()
        command = os.fork()
        if not command:
            child.begin(self._order, me, lambda error: self._tell({"error": error}))
        # The output ends when the last of the family has closed it.
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        return command

    def _wait(self, seconds: float | None) -> None:
        """Until a child died, the worker said something, or the time is over."""
        heard = [self._rung] if self._deserted else [self._rung, 0]
        ready, _, _ = select.select(heard, [], [], seconds)
        if 0 in ready:
            said = os.read(0, 1)
            self._asked = self._asked or said == STOP
            self._deserted = not said
        with contextlib.suppress(BlockingIOError):
            os.read(self._rung, 4096)

    def _bury(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (died := os.waitpid(-1, os.WNOHANG))[0]:
                if died[0] == self._command:
                    self._code = code_of(died[1])

    def _ask_all(self) -> None:
        """Everybody may put his things in order, but what holds the others: it would end them at once."""
        family = self._family()
        for pid in family:
            if not (self._order.wrapped and pid == self._command):
                _send(pid, signal.SIGTERM)
        end = time.monotonic() + GRACE_SECONDS
        while family and not self._deserted and (left := end - time.monotonic()) > 0:
            self._wait(min(left, _LOOK_SECONDS))
            self._bury()
            family = self._family()

    def _kill_all(self) -> None:
        """Again and again, since who is killed may have begun another one meanwhile."""
        end = time.monotonic() + KILL_SECONDS
        while family := self._family():
            for pid in family:
                _send(pid, signal.SIGKILL)
            if time.monotonic() > end:
                return
            self._wait(_LOOK_SECONDS)
            self._bury()
        self._bury()

    def _family(self) -> list[int]:
        return descendants(os.getpid())

    def _tell(self, what: dict[str, object]) -> None:
        with contextlib.suppress(BrokenPipeError):  # the worker is gone, and nobody wants to know
            os.write(self._told, json.dumps(what).encode() + b"\n")


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def main() -> None:
    """`python -I -S -c "import …; main()"`: the order comes by the standard input, which stays open."""
    order = Order.read(lambda size: os.read(0, size))
    if order:
        Keeper(order).keep()
