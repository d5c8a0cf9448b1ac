"""Judges a run: what the clients saw, against one last read of the database."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Send:
    """One client's attempt to post: `ok` is a promise, `unknown` a cut or a 5xx, `no` a refusal."""

    client: str
    id: str
    began: float
    ended: float
    result: Literal["ok", "no", "unknown"]
    seq: int | None = None


@dataclass(frozen=True)
class Receive:
    """A message that came to a reader as new."""

    client: str
    id: str
    seq: int


@dataclass(frozen=True)
class CaughtUp:
    """A reader's claim at the end: I have every message up to this seq."""

    client: str
    upto: int


Event = Send | Receive | CaughtUp
Log = Sequence[tuple[int, str]]
"""(seq, id) of every message of the room, as the database has them."""


def anomalies(events: Iterable[Event], log: Log) -> list[str]:
    """Everything that must not be, a line each; an empty list for a good run."""
    history = list(events)
    sends = [event for event in history if isinstance(event, Send)]
    return [
        *_broken_log(log),
        *_broken_promises(sends, log),
        *_broken_order(sends, log),
        *_broken_readers(history, log),
    ]


def _broken_log(log: Log) -> Iterable[str]:
    if sorted(seq for seq, _ in log) != list(range(1, len(log) + 1)):
        yield "the thread's numbers have a hole or a double"
    for message_id, times in Counter(message_id for _, message_id in log).items():
        if times > 1:
            yield f"doubled: {message_id} is there {times} times"


def _broken_promises(sends: Sequence[Send], log: Log) -> Iterable[str]:
    where = {message_id: seq for seq, message_id in log}
    tried: dict[str, list[Send]] = defaultdict(list)
    for send in sends:
        tried[send.id].append(send)
    for message_id, attempts in tried.items():
        promised = [send for send in attempts if send.result == "ok"]
        if promised and message_id not in where:
            yield f"lost: {message_id} was acknowledged"
        if any(send.seq != where.get(message_id) for send in promised if message_id in where):
            yield f"the acknowledgement of {message_id} names another place"
        if all(send.result == "no" for send in attempts) and message_id in where:
            yield f"{message_id} was refused and is there"
    for message_id in where:
        if message_id not in tried:
            yield f"nobody sent {message_id}"


def _broken_order(sends: Sequence[Send], log: Log) -> Iterable[str]:
    """What was acknowledged before another send began stands before it."""
    where = {message_id: seq for seq, message_id in log}
    known = [send for send in sends if send.result == "ok" and send.id in where]
    by_end = sorted(known, key=lambda send: send.ended)
    highest, at = 0, 0
    for send in sorted(known, key=lambda send: send.began):
        while at < len(by_end) and by_end[at].ended < send.began:
            # A repeat is acknowledged again, later, with its first place: it says nothing new.
            highest = max(highest, where[by_end[at].id])
            at += 1
        first = min(other.began for other in sends if other.id == send.id)
        if first == send.began and where[send.id] < highest:
            yield f"{send.id} stands before one that was acknowledged before it was sent"


def _broken_readers(history: Sequence[Event], log: Log) -> Iterable[str]:
    there = dict(log)
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for event in history:
        if isinstance(event, Receive):
            seen[event.client][event.id] += 1
            if there.get(event.seq) != event.id:
                yield f"{event.client} got {event.id} at {event.seq}, which the log does not say"
    for client, ids in seen.items():
        yield from (f"{client} got {message_id} as new {n} times" for message_id, n in ids.items() if n > 1)
    for event in history:
        if isinstance(event, CaughtUp):
            missing = [m for seq, m in log if seq <= event.upto and m not in seen[event.client]]
            if missing:
                yield f"{event.client} missed {len(missing)}, the first {missing[0]}"
