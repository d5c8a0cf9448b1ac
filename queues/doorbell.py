"""Rings after a commit: streams to every web process, waiting work to the workers.

A ring may be lost, late or doubled. It is never waited for: workers and pumps also look by themselves.
"""

import logging
import threading
import time
from typing import Protocol

from flask import Flask, current_app, has_app_context
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from models.secret import digest
from models.worker import CHAT, EXECUTORS
from realtime.bus import Bus
from realtime.publication import Committed, on_commit

log = logging.getLogger(__name__)

LOOK = "queues.deliveries.look"
TIMEOUT = 1.0
PAUSES = (1.0, 2.0, 5.0, 10.0)
"""Seconds to leave Redis alone after the first, second, … failure in a row."""
JOB_SECONDS = 60
"""How long a ring that nobody heard, or one that failed, is kept."""


def channel(secret_key: str) -> str:
    """Where the processes of one installation talk; another one on the same Redis hears nothing of it."""
    return f"teamroom:{digest(secret_key)[:16]}"


def rq_queue(secret_key: str, queue: str = CHAT) -> str:
    """The RQ queue of one installation: the workers of another one must not take its rings."""
    return f"{channel(secret_key)}:{queue}"


class Bell(Protocol):
    """What is rung when work waits; it must not block and must not raise."""

    def ring(self) -> None: ...


class WorkerBell:
    """Puts one job that says *look* into an RQ queue, from a thread of its own."""

    def __init__(self, redis_url: str, queue: str) -> None:
        self._url, self._queue = redis_url, queue
        self._rung = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._resume_at = 0.0
        self._failures = 0
        self._unheard = 0

    def ring(self) -> None:
        """Rings that come while one is on its way become one; while Redis is ill they are dropped."""
        if self._url and time.monotonic() >= self._resume_at:
            self._start()
            self._rung.set()

    def _start(self) -> None:
        # Not in the constructor: a process that forks afterwards would lose the thread.
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="doorbell", daemon=True)
                self._thread.start()

    def _serve(self) -> None:
        client = Redis.from_url(
            self._url,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        while True:
            self._rung.wait()
            self._rung.clear()
            if time.monotonic() < self._resume_at:
                continue  # rung while the last try was still failing
            try:
                self._unheard = ring_once(client, self._queue, self._unheard)
                self._failures = 0
            except RedisError as error:
                self._resume_at = time.monotonic() + PAUSES[min(self._failures, len(PAUSES) - 1)]
                if self._failures == 0:
                    log.warning("the workers cannot be rung: %s", error)
                self._failures += 1


def ring_once(client: Redis, queue: str, unheard: int = 0) -> int:
    """Enqueue one look; the answer is how many wait now, which the next call is told.

    While some are `unheard` it asks first, which is another trip: one that waits will see everything.
    """
    # Here, because a process that never rings need not load it, and the web process starts faster.
    from rq import Queue
    from rq.serializers import JSONSerializer

    jobs = Queue(queue, connection=client, serializer=JSONSerializer)
    if unheard > 1 and (waiting := jobs.count):
        return waiting
    with client.pipeline() as pipe:
        jobs.enqueue_call(
            LOOK,
            timeout=-1,  # it only sets a flag; a real limit would cost the worker a thread each time
            result_ttl=0,
            ttl=JOB_SECONDS,
            failure_ttl=JOB_SECONDS,
            pipeline=pipe,
        )
        pipe.llen(jobs.key)
        return int(pipe.execute()[-1])


def install(app: Flask) -> None:
    """Let the commits of this application ring."""
    url, key = app.config["REDIS_URL"], app.config["SECRET_KEY"]
    app.extensions["bus"] = Bus(url, channel(key))
    app.extensions["bells"] = {queue: WorkerBell(url, rq_queue(key, queue)) for queue in EXECUTORS}


def _announce(committed: Committed) -> None:
    if not has_app_context() or "bus" not in current_app.extensions:
        return
    current_app.extensions["bus"].publish("ring", committed.heads)
    bells: dict[str, Bell] = current_app.extensions["bells"]
    for queue in committed.work:
        bells[queue].ring()


# Once a process, however many applications it makes: each commit rings those of its own application.
on_commit(_announce)
