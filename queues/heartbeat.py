"""A process says that it lives: a thread of its own, so that no slow work makes it look dead."""

import logging
import os
import socket
import threading
from collections.abc import Callable

from flask import Flask

from models.base import db, db_now, new_id
from models.isolation import NONE
from models.worker import BEAT_SECONDS, Worker
from queues.database import AWAY

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class Heartbeat:
    """Beats every 5 s while `alive()` holds: a process whose loop hangs must not look healthy."""

    def __init__(
        self,
        app: Flask,
        queue: str,
        slots: int,
        busy: Callable[[], int] = lambda: 0,
        alive: Callable[[], bool] = lambda: True,
    ) -> None:
        self._app, self._queue, self._slots = app, queue, slots
        self._busy, self._alive = busy, alive
        self.isolation = NONE
        """Of the commands that are run here, where any are."""
        self._id = new_id()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def leave(self) -> None:
        """Say that this process takes no more work; the thread does it, soon or, without a database, not."""
        self._over.set()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def _run(self) -> None:
        ill = False
        while not self._over.is_set():
            pause = float(BEAT_SECONDS)
            try:
                if self._alive():
                    self._beat()
                elif not ill:
                    log.error("the loop of this process hangs: it no longer says that it is healthy")
                ill = not self._alive()
            except AWAY as error:
                log.warning("no heartbeat: %s", error)
                pause = RETRY_SECONDS
            self._over.wait(pause)
        try:
            self._gone()
        except AWAY as error:
            log.warning("could not take leave: %s", error)

    def _beat(self) -> None:
        with self._app.app_context():
            row = Worker(
                id=self._id,
                queue=self._queue,
                host=socket.gethostname(),
                pid=os.getpid(),
                slots=self._slots,
                busy=self._busy(),
                seen_at=db_now(),
                isolation=self.isolation,
            )
            if not row.beat(row.busy):
                db.session.add(row)
            db.session.commit()

    def _gone(self) -> None:
        with self._app.app_context():
            Worker.leave(self._id)
            db.session.commit()
