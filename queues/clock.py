"""Starts the clock: `python -m queues.clock`. Several may run; nothing happens twice."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import Flask

from models import audit
from models.base import db, reading
from models.crashpoint import crashpoint
from queues import auditing, pruning, sweeper
from queues.auditing import Auditor
from queues.database import AWAY
from queues.heartbeat import Heartbeat
from queues.sweeper import Sweeper
from queues.watchdog import Watchdog
from webapp import started

log = logging.getLogger(__name__)
witnessed = logging.getLogger(f"{__name__}.witness")
witnessed.setLevel(logging.INFO)  # whatever LOG_LEVEL is: this copy is for the day when the database lies

QUEUE = "clock"
WATCH_EVERY = 15.0
HANGS_AFTER = 60.0
WITNESS_EVERY = 3600.0


@dataclass
class Duty:
    """Something done again and again, `every` so many seconds; it answers how many rows it changed."""

    name: str
    every: float
    do: Callable[[], int]
    due: float = 0.0


class Clock:
    """Does what is due, one duty after another, until it is stopped."""

    def __init__(self, app: Flask, duties: Sequence[Duty]) -> None:
        self._app, self._duties = app, duties
        self._over = threading.Event()
        self._tick = time.monotonic()
        self._heartbeat = Heartbeat(app, QUEUE, 0, alive=self._ticks)

    def run(self) -> None:
        # Leases that ran out while no clock was there are left for one round: their owners may be back too.
        for duty in self._duties:
            duty.due = time.monotonic() + min(duty.every, WATCH_EVERY)
        self._heartbeat.start()
        while not self._over.is_set():
            self._tick = time.monotonic()
            for duty in self._duties:
                if time.monotonic() >= duty.due and not self._over.is_set():
                    self._do(duty)
            pause = min(duty.due for duty in self._duties) - time.monotonic()
            self._over.wait(max(0.0, pause))
        self._heartbeat.leave()
        self._heartbeat.join(2.0)

    def stop(self) -> None:
        self._over.set()

    def _do(self, duty: Duty) -> None:
        duty.due = time.monotonic() + duty.every
        try:
            with self._app.app_context():
                if changed := duty.do():
                    log.info("%s: %d", duty.name, changed)
                    crashpoint(f"clock.{duty.name}")
        except AWAY as error:
            log.warning("%s: the database is away: %s", duty.name, error)
        except Exception:  # the other duties go on, and this one is tried again
            log.exception("%s failed", duty.name)

    def _ticks(self) -> bool:
        return time.monotonic() - self._tick < HANGS_AFTER


def witness() -> int:
    """Tell the log of this process where the audit log ends: that copy is out of the database's reach."""
    with reading():
        witnessed.info("audit head: %s", audit.head(db.session()))
        db.session.rollback()
    return 0


def duties_of(app: Flask) -> list[Duty]:
    patience: float = app.config["WATCHDOG_SECONDS"]
    return [
        Duty("sweeper", sweeper.EVERY, Sweeper().sweep),
        Duty("watchdog", min(WATCH_EVERY, patience), Watchdog(patience).watch),
        Duty("pruning", pruning.EVERY, pruning.prune),
        Duty("audit", WITNESS_EVERY, witness),
        Duty("auditor", auditing.EVERY, Auditor().look),
    ]


def main() -> None:
    app = started()
    clock = Clock(app, duties_of(app))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: clock.stop())
    clock.run()
    logging.shutdown()
    os._exit(0)  # a thread that waits for a hung Redis must not hold the end


if __name__ == "__main__":
    main()
