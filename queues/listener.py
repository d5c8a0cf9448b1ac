"""Hears the doorbell: an RQ worker in a thread, which is started again whenever it ends."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty

log = logging.getLogger(__name__)

WORKER_TTL = 20  # RQ then waits 5 s at a time for a job, and notices within 15 s that Redis hangs
STEADY = 30.0  # seconds it ran, after which a failure is a new story
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)


class ThreadWorker(SimpleWorker):
    """Lives beside the process's own loop: signals, and commands by Redis, are not its business."""

    death_penalty_class = TimerDeathPenalty
    max_connection_wait_time = PAUSES[-1]

    def __init__(self, *args: Any, wake: Callable[[], None], over: threading.Event, **options: Any) -> None:
        super().__init__(*args, **options)
        self._wake, self._over = wake, over

    def execute_job(self, job: Any, queue: Any) -> None:
        """Wake first: what RQ writes down of a job takes several trips, for which nobody must wait."""
        self._wake()
        super().execute_job(job, queue)

    def heartbeat(self, *args: Any, **options: Any) -> None:
        """RQ calls it before each wait for a job: the only place where a waiting worker can be ended."""
        if self._over.is_set():
            raise StopRequested
        super().heartbeat(*args, **options)

    def _install_signal_handlers(self) -> None:
        """Only the main thread may, and there the process's own are installed."""

    def subscribe(self) -> None:
        """Nothing is stopped or killed through Redis."""

    def unsubscribe(self) -> None:
        """Nothing was subscribed."""


class Listener:
    """Calls `wake` for each job of the queue. Without Redis it is silent, and tries again."""

    def __init__(self, redis_url: str, queue: str, wake: Callable[[], None]) -> None:
        self._url, self._queue, self._wake = redis_url, queue, wake
        self._over = threading.Event()

    def start(self) -> None:
        if self._url:
            threading.Thread(target=self._run, name="listener", daemon=True).start()

    def stop(self) -> None:
        """Hear nothing more; the thread, which may wait for Redis, ends some seconds later."""
        self._over.set()

    def _run(self) -> None:
        failures = 0
        while not self._over.is_set():
            began = time.monotonic()
            try:
                self._work()
            except RedisError as error:
                if failures == 0:
                    log.warning("Redis does not ring: %s", error)
            except Exception:  # whatever ends it, the process looks by itself and goes on
                log.exception("the listener ended by an error")
            failures = 0 if time.monotonic() - began > STEADY else failures
            self._over.wait(PAUSES[min(failures, len(PAUSES) - 1)])
            failures += 1
            self._wake()

    def _work(self) -> None:
        with Redis.from_url(self._url, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
            self._worker(client).work(logging_level="WARNING")

    def _worker(self, client: Redis) -> ThreadWorker:
        return ThreadWorker(
            [self._queue],
            connection=client,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL,
            log_job_description=False,
            wake=self._wake,
            over=self._over,
        )
