"""Joins the processes: rings and ephemeral signals over Redis, all of which may be lost.

Nothing here ever waits for Redis in somebody's path: `publish` only puts into a bounded queue, and
while Redis is away or hangs, what is said is dropped. The pump's own poll covers lost rings.
"""

import json
import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

log = logging.getLogger(__name__)

KINDS = frozenset({"ring", "delta", "typing", "presence", "agent"})
MOST_WAITING = 1000
MOST_AT_ONCE = 100
TIMEOUT = 1.0
LONGEST = 1 << 20
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds to leave Redis alone after the first, second, … failure in a row."""

Handler = Callable[[str, dict[str, Any]], None]


class Bus:
    """One channel of one Redis. Pub/sub ignores the database number: the channel names the installation."""

    def __init__(self, redis_url: str, channel: str) -> None:
        self._url, self._channel = redis_url, channel
        self._origin = secrets.token_hex(8)
        self._waiting: queue.Queue[tuple[str, dict[str, Any]] | None] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._publisher: threading.Thread | None = None
        self._closed = threading.Event()
        self._resume_at = 0.0
        self._failures = 0

    def publish(self, kind: str, payload: dict[str, Any]) -> None:
        """Say it to the other processes, soon or not at all."""
        if kind not in KINDS:
            raise KeyError(kind)
        if not self._url or self._closed.is_set() or time.monotonic() < self._resume_at:
            return
        self._start_publisher()
        try:
            self._waiting.put_nowait((kind, payload))
        except queue.Full:
            log.debug("the bus is full, a signal was dropped")

    def listen(self, handler: Handler) -> None:
        """Call `handler(kind, payload)` in a thread for all that other processes publish."""
        if self._url:
            threading.Thread(target=self._listen, args=(handler,), name="bus-listen", daemon=True).start()

    def close(self) -> None:
        """What waits is still sent, if Redis takes it within a second."""
        self._closed.set()
        if self._publisher is not None:
            try:
                self._waiting.put_nowait(None)
            except queue.Full:
                return
            self._publisher.join(TIMEOUT)

    def _start_publisher(self) -> None:
        # Not in the constructor: a process that forks afterwards would lose the thread.
        if self._publisher is None:
            with self._lock:
                if self._publisher is None:
                    self._publisher = threading.Thread(target=self._publish, name="bus-publish", daemon=True)
                    self._publisher.start()

    def _publish(self) -> None:
        client = self._client()
        for batch in self._batches():
            if time.monotonic() < self._resume_at:
                continue
            try:
                with client.pipeline(transaction=False) as pipe:
                    for kind, payload in batch:
                        pipe.publish(self._channel, self._pack(kind, payload))
                    pipe.execute()
                self._failures = 0
            except RedisError as error:
                self._resume_at = time.monotonic() + _pause(self._failures)
                if self._failures == 0:
                    log.warning("Redis does not take signals: %s", error)
                self._failures += 1
        client.close()

    def _batches(self) -> Iterator[list[tuple[str, dict[str, Any]]]]:
        """What waits, several at a time; the rings among it become one."""
        while True:
            said = [self._waiting.get()]
            while said[-1] is not None and len(said) < MOST_AT_ONCE and not self._waiting.empty():
                said.append(self._waiting.get_nowait())
            batch = [one for one in said if one is not None]
            if batch:
                yield merge_rings(batch)
            if len(batch) < len(said):
                return

    def _listen(self, handler: Handler) -> None:
        failures = 0
        while not self._closed.is_set():
            try:
                with self._client() as client, client.pubsub(ignore_subscribe_messages=True) as pubsub:
                    pubsub.subscribe(self._channel)
                    while not self._closed.is_set():
                        message = pubsub.get_message(timeout=TIMEOUT)
                        failures = 0
                        if message is not None:
                            self._hand_over(message["data"], handler)
            except RedisError as error:
                if failures == 0:
                    log.warning("Redis brings no signals: %s", error)
                self._closed.wait(_pause(failures))
                failures += 1

    def _hand_over(self, data: bytes, handler: Handler) -> None:
        try:
            said = json.loads(data) if len(data) <= LONGEST else None
        except (ValueError, RecursionError):
            said = None
        match said:
            case {"kind": str(kind), "payload": dict(payload), "from": origin}:
                if origin != self._origin and kind in KINDS:
                    handler(kind, payload)
            case _:
                log.warning("something on the bus is not ours")

    def _pack(self, kind: str, payload: dict[str, Any]) -> str:
        said = {"kind": kind, "payload": payload, "from": self._origin}
        return json.dumps(said, separators=(",", ":"))

    def _client(self) -> Redis:
        return Redis.from_url(
            self._url,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=10,
        )


def merge_rings(batch: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """One ring with the highest head of each stream, and everything else as it was."""
    heads: dict[str, int] = {}
    for kind, payload in batch:
        if kind == "ring":
            for stream, head in payload.items():
                heads[stream] = max(head, heads.get(stream, 0))
    others = [said for said in batch if said[0] != "ring"]
    return [("ring", heads), *others] if heads else others


def _pause(failures: int) -> float:
    return PAUSES[min(failures, len(PAUSES) - 1)]
