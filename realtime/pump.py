"""The pump: sends every committed change of the streams that are followed here, once and in order.

One thread for each web process. It is woken by ring() and looks by itself every half second, so a
lost ring costs latency and nothing else. A follower joins first and catches up afterwards; what the
pump may have passed by in between is announced by an empty packet, in whose `from` the follower sees
that it is behind. A packet may go to those who have everything up to its `from`; it brings them to `to`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import String, TextualSelect, bindparam, literal, select, text
from sqlalchemy.orm import Session

from models import AuthzEpoch, Stream, StreamChange
from realtime.doors import Doors
from realtime.publication import on_commit
from realtime.rows import Item, Rows, collapsed, snapshot

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
BLIND_SECONDS = 1.0
"""Rights that could not be read for so long are not trusted: nothing is pushed until they are read again."""
REST_SECONDS = 0.1
"""The least pause after a failure, however often the bell rings."""
CHANGES_AT_ONCE = 500

Emit = Callable[[str, dict[str, Any], str], None]


@dataclass(eq=False)
class _Waiter:
    """A long poll: it is at `since` and wants to know when the stream is elsewhere."""

    stream: str
    since: int
    moved: bool = False
    bell: threading.Event = field(default_factory=threading.Event)


@dataclass
class _Look:
    """What one snapshot said of the wanted streams."""

    heads: dict[str, int]
    epoch: int
    items: dict[str, list[Item]]
    reached: dict[str, int]
    rows: Rows
    at: float

    @property
    def cut(self) -> bool:
        return any(at < self.heads[name] for name, at in self.reached.items())


class Pump:
    """emit(event, payload, stream) sends to who joined the stream; joined() names the streams with such.

    recheck() is called before the next push whenever somebody's rights may have changed.
    """

    def __init__(
        self,
        app: Flask,
        emit: Emit,
        joined: Callable[[], Iterable[str]],
        recheck: Callable[[], None] = lambda: None,
    ) -> None:
        self.recheck = recheck
        self._app, self._emit, self._joined = app, emit, joined
        self._lock = threading.Lock()
        self._bell = threading.Event()
        self._stopping = threading.Event()
        self._positions: dict[str, int] = {}
        self._rung: dict[str, int] = {}
        self._announce: set[str] = set()
        self._waiters: set[_Waiter] = set()
        self._epoch: int | None = None
        self._trusted_at = float("-inf")
        self._failing = False
        self._thread: threading.Thread | None = None
        self.doors = Doors()
        self._opened: set[str] = set()
        self._deaf: Callable[[], None] = lambda: None

    def start(self) -> None:
        global _current
        self._thread = threading.Thread(target=self._run, name="pump", daemon=True)
        self._deaf = on_commit(lambda committed: self.ring(committed.heads))
        _current = self
        self._thread.start()

    def stop(self) -> None:
        """End the thread and let every long poll go."""
        global _current
        self._deaf()
        self._stopping.set()
        self._bell.set()
        with self._lock:
            for waiter in self._waiters:
                waiter.bell.set()
        if self._thread is not None:
            self._thread.join(5)
        if _current is self:
            _current = None

    @property
    def blind(self) -> bool:
        """Whether rights could not be read lately: then nothing at all should be pushed, signals neither."""
        return time.monotonic() - self._trusted_at > BLIND_SECONDS

    def ring(self, heads: Mapping[str, int]) -> None:
        """These streams moved. What was sent already (the same ring by another way) wakes nobody."""
        with self._lock:
            news = {name: at for name, at in heads.items() if self._positions.get(name, -1) < at}
            self._rung.update(news)
        if news:
            self._bell.set()

    def follow(self, name: str, at: int) -> None:
        """A reader caught up to `at`: what comes later must reach him, or tell him that he is behind."""
        with self._lock:
            position = self._positions.setdefault(name, at)
            behind = at < position
            if behind:
                self._announce.add(name)
                self._rung[name] = position
        if behind:
            self._bell.set()

    def wait(self, stream: str, since: int, timeout: float) -> bool:
        """Until the stream is elsewhere than at `since`; False when that did not happen in time.

        The caller holds no database session meanwhile, and asks for his rights again afterwards.
        """
        waiter = _Waiter(stream, since)
        with self._lock:
            self._waiters.add(waiter)
            self._rung.setdefault(stream, since)
        self._bell.set()
        waiter.bell.wait(timeout)
        with self._lock:
            self._waiters.discard(waiter)
        return waiter.moved

    def _run(self) -> None:
        next_poll = 0.0
        while not self._stopping.is_set():
            self._bell.wait(max(0.0, next_poll - time.monotonic()))
            self._bell.clear()
            full = time.monotonic() >= next_poll
            if full:
                next_poll = time.monotonic() + POLL_SECONDS
            try:
                self.turn(full)
                self._failing = False
            except Exception:
                # Whatever it was, the thread lives on: the next look may work.
                if not self._failing:
                    log.exception("the pump could not look")
                self._failing = True
                self._stopping.wait(REST_SECONDS)

    def turn(self, full: bool = True) -> None:
        """Look once, at every stream that is followed here or at those that rang, and send what is new."""
        wanted = self._wanted(full)
        if not wanted and not full:
            return
        with self._app.app_context():
            # When one of these fails, no position has moved, so the next full look finds what rang.
            look = self._look(wanted)
            self._trust(look)
            for name in wanted:
                self._push(name, look)
        self._wake(look)
        if look.cut:
            self.ring(look.heads)

    def _wanted(self, full: bool) -> list[str]:
        with self._lock:
            # Taken before joined() is asked: who joins meanwhile must not be forgotten.
            tracked = set(self._positions)
            rung, self._rung = self._rung, {}
            waited = {waiter.stream for waiter in self._waiters}
        followed = set(self._joined()) | waited
        if not full:
            return [name for name in rung if name in followed]
        with self._lock:
            for name in tracked - followed:
                del self._positions[name]
            self._announce &= followed
        return list(followed)

    def _look(self, wanted: list[str]) -> _Look:
        with self._lock:
            positions = {name: self._positions[name] for name in wanted if name in self._positions}
        with snapshot() as session:
            at = time.monotonic()
            heads, epoch = _heads_and_epoch(session, wanted)
            reached = _reach(positions, heads)
            news = _news(session, positions, reached)
            items = {name: collapsed(changes) for name, changes in news.items()}
            rows = Rows()
            rows.load(item for one in items.values() for item in one)
            closed = {name: self.doors.closed(name) for name in wanted}
            self.doors.look(rows, epoch)
            self._opened |= {name for name, before in closed.items() if before - self.doors.closed(name)}
        return _Look(heads, epoch, items, reached, rows, at)

    def _trust(self, look: _Look) -> None:
        """Before anything is pushed: who may no longer read is gone by then."""
        if look.epoch != self._epoch or look.at - self._trusted_at > BLIND_SECONDS:
            self.recheck()
            self._epoch = look.epoch
        self._trusted_at = look.at

    def _push(self, name: str, look: _Look) -> None:
        with self._lock:
            position = self._positions.get(name)
            announced = name in self._announce
            self._announce.discard(name)
        try:
            if position is None:
                self._skip(name, look.heads[name])
                return
            if announced:
                self._skip(name, position)
            if name not in look.reached:
                # Somebody caught up since this look began, which so knows nothing of the stream.
                self.ring({name: position + 1})
            elif look.reached[name] > position:
                self._send(name, position, look)
        except Exception:
            # One stream's failure must not stop the others; it begins anew, with an announcement.
            log.exception("nothing could be sent on %s", name)
            with self._lock:
                self._positions.pop(name, None)

    def _send(self, name: str, position: int, look: _Look) -> None:
        to = look.reached[name]
        if name in self._opened:
            # Its followers learn that they are behind, and ask for what was hidden from them.
            self._skip(name, to)
            self._opened.discard(name)
            return
        try:
            items = look.rows.show(self.doors.through(name, look.items.get(name, []), look.rows))
        except Exception:
            # Followers find themselves behind and ask, instead of missing it silently.
            log.exception("changes %s to %s of %s cannot be shown", position, to, name)
            self._skip(name, to)
            return
        self._emit("changes", {"stream": name, "from": position, "to": to, "items": items}, name)
        self._moved(name, to)

    def _skip(self, name: str, to: int) -> None:
        """An empty packet: who has less than this asks for what it missed."""
        self._emit("changes", {"stream": name, "from": to, "to": to, "items": []}, name)
        self._moved(name, to)

    def _moved(self, name: str, to: int) -> None:
        with self._lock:
            self._positions[name] = to

    def _wake(self, look: _Look) -> None:
        with self._lock:
            for waiter in self._waiters:
                if look.heads.get(waiter.stream, waiter.since) != waiter.since:
                    waiter.moved = True
                    waiter.bell.set()


_LOOK = (
    select(Stream.name, Stream.head)
    .where(Stream.name.in_(bindparam("names", expanding=True)))
    .union_all(select(literal("", String), AuthzEpoch.epoch).where(AuthzEpoch.id == 1))
)


def _heads_and_epoch(session: Session, names: list[str]) -> tuple[dict[str, int], int]:
    found = {name: at for name, at in session.connection().execute(_LOOK, {"names": names})}
    epoch = found.pop("", 0)
    return dict.fromkeys(names, 0) | found, epoch


def _reach(positions: dict[str, int], heads: dict[str, int]) -> dict[str, int]:
    """How far this look goes on each stream: a bounded number of changes in all."""
    left, reached = CHANGES_AT_ONCE, {}
    for name, position in positions.items():
        reached[name] = max(position, min(heads[name], position + left))
        left -= reached[name] - position
    return reached


def _news(
    session: Session, positions: dict[str, int], reached: dict[str, int]
) -> dict[str, list[tuple[int, str, UUID, str]]]:
    spans = [(name, at, reached[name]) for name, at in positions.items() if reached[name] > at]
    news: dict[str, list[tuple[int, str, UUID, str]]] = {}
    if spans:
        values: dict[str, Any] = {}
        for index, (name, low, high) in enumerate(spans):
            values |= {f"name{index}": name, f"low{index}": low, f"high{index}": high}
        for stream, seq, table, row_id, op in session.connection().execute(_reading(len(spans)), values):
            news.setdefault(stream, []).append((seq, table, row_id, op))
    return news


@lru_cache(maxsize=64)
def _reading(spans: int) -> TextualSelect:
    """Written as a join on the spans: a list of keys would be searched along the whole log."""
    rows = ", ".join(f"(:name{index}, :low{index}, :high{index})" for index in range(spans))
    return text(
        f"WITH spans (name, low, high) AS (VALUES {rows}) "
        "SELECT changes.stream, changes.seq, changes.table_name, changes.row_id, changes.op "
        "FROM spans JOIN changes ON changes.stream = spans.name "
        "AND changes.seq > spans.low AND changes.seq <= spans.high ORDER BY changes.seq"
    ).columns(
        StreamChange.stream,
        StreamChange.seq,
        StreamChange.table,
        StreamChange.row_id,
        StreamChange.op,
    )


_current: Pump | None = None


def current() -> Pump | None:
    """The pump of this process, if one runs."""
    return _current
