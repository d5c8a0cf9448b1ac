"""What was made from a stream's rows is kept, until the stream says that one of them changed."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, bindparam, select

from models.authz import AuthzEpoch
from models.base import db
from models.stream import Stream, StreamChange

Made = TypeVar("Made")


@dataclass(frozen=True)
class Place:
    """Where a stream stands in this snapshot; what was up to `floor` is forgotten."""

    name: str
    head: int = 0
    floor: int = 0


# Prepared once, since every page asks this; a page has three streams at most.
_streams, _epoch = Stream.__table__.c, AuthzEpoch.__table__.c
_STATE = (
    select(_epoch.epoch, _streams.name, _streams.head, _streams.floor)
    .select_from(AuthzEpoch.__table__)
    .outerjoin(
        Stream.__table__,
        _streams.name.in_((bindparam("name0"), bindparam("name1"), bindparam("name2"))),
    )
    .where(_epoch.id == 1)
)


@dataclass(frozen=True)
class State:
    """All that a page depends on: the epoch of rights, and where its streams stand."""

    epoch: int
    places: tuple[Place, ...]

    @classmethod
    def of(cls, names: Sequence[str], connection: Connection | None = None) -> State:
        """The state of up to three streams, in this request's snapshot or as `connection` sees it."""
        asked = (tuple(names) * 3)[:3]
        parameters = {f"name{index}": name for index, name in enumerate(asked)}
        rows = (connection or db.session.connection()).execute(_STATE, parameters).all()
        found = {name: Place(name, head, floor) for _, name, head, floor in rows}
        return cls(rows[0][0] if rows else 0, tuple(found.get(name) or Place(name) for name in names))

    def place(self, name: str) -> Place:
        return next(place for place in self.places if place.name == name)


class Recent(Generic[Made]):
    """The things used last, up to a number."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._made: OrderedDict[Any, Made] = OrderedDict()

    def get(self, key: Any) -> Made | None:
        with self._lock:
            if key not in self._made:
                return None
            self._made.move_to_end(key)
            return self._made[key]

    def put(self, key: Any, made: Made) -> None:
        with self._lock:
            self._made[key] = made
            self._made.move_to_end(key)
            while len(self._made) > self._most:
                self._made.popitem(last=False)


class Kept(Generic[Made]):
    """Things made from a stream's rows, each with the place for which it is true."""

    def __init__(self, most: int) -> None:
        self._recent: Recent[tuple[int, Made]] = Recent(most)

    def at(self, key: Any, place: Place) -> tuple[int, Made] | None:
        """What was made for this place, or for an earlier one that the stream still remembers."""
        found = self._recent.get(key)
        return found if found is not None and place.floor <= found[0] <= place.head else None

    def put(self, key: Any, head: int, made: Made) -> None:
        self._recent.put(key, (head, made))

    def get(self, key: Any, place: Place, tables: Sequence[str], make: Callable[[], Made]) -> Made:
        """What is kept, unless a row of these tables changed on the stream since; then it is made anew."""
        found = self.at(key, place)
        if found is not None and not _changed(place, found[0], tables):
            made = found[1]
        else:
            made = make()
        self.put(key, place.head, made)
        return made


def _changed(place: Place, since: int, tables: Sequence[str]) -> bool:
    if since == place.head:
        return False
    newer = changes(place, since, StreamChange.seq).where(StreamChange.table.in_(tables))
    return db.session.scalar(newer.limit(1)) is not None


def changes(place: Place, since: int, *columns: Any) -> Any:
    """The query of what was said on the stream after `since`."""
    return select(*columns).where(
        StreamChange.stream == place.name, StreamChange.seq > since, StreamChange.seq <= place.head
    )


class Document:
    """A page in pieces: what belongs to one request alone is put between them."""

    def __init__(self, html: str, secrets: dict[str, str]) -> None:
        names = {value: name for name, value in secrets.items()}
        pieces = re.split("|".join(map(re.escape, names)), html)
        self._pieces = [piece.encode() for piece in pieces]
        self._between = [names[value] for value in re.findall("|".join(map(re.escape, names)), html)]

    def with_secrets(self, secrets: dict[str, str]) -> bytes:
        between = [secrets[name].encode() for name in self._between]
        return b"".join(part for pair in zip(self._pieces, [*between, b""], strict=True) for part in pair)
