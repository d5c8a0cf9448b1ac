"""A worker in a thread of the test's process."""

import asyncio
import threading
from typing import Any

from flask import Flask

from models.base import db
from queues.loop import WorkerLoop


class InThread:
    """Runs from its making on, until `stop`, or `end` when the test is over."""

    def __init__(self, app: Flask, worker: WorkerLoop[Any]) -> None:
        self.app, self.worker = app, worker
        self.thread = threading.Thread(target=lambda: asyncio.run(worker.serve()), daemon=True)
        self.thread.start()

    def stop(self, timeout: float = 10) -> None:
        self.worker.stop()
        self.thread.join(timeout)
        assert not self.thread.is_alive(), "the worker did not end"

    def end(self) -> None:
        db.session.rollback()  # what the test still reads would hold SQLite's lock against the worker
        if self.thread.is_alive():
            self.stop()
        # A step that still runs would give its connection back to a pool that is gone.
        self.worker._database.close(wait=True)
        with self.app.app_context():
            db.engine.dispose()
