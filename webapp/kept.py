"""What was made from a stream's rows is kept, until the stream says that one of them changed."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import bindparam, select

from models.base import db
from models.stream import Stream, StreamChange

Made = TypeVar("Made")


@dataclass(frozen=True)
class Place:
    """Where a stream stands in this snapshot; what was up to `floor` is forgotten."""

    name: str
    head: int = 0
    floor: int = 0


# Prepared once, since every page asks this.
_streams = Stream.__table__.c
_PLACES = select(_streams.name, _streams.head, _streams.floor).where(
    _streams.name.in_(bindparam("names", expanding=True))
)


def places(names: Iterable[str]) -> dict[str, Place]:
    names = list(names)
    rows = db.session.connection().execute(_PLACES, {"names": names})
    found = {row[0]: Place(*row) for row in rows}
    return {name: found.get(name) or Place(name) for name in names}


class Kept(Generic[Made]):
    """A bounded number of things made from a stream's rows, each with the place for which it is true."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._made: OrderedDict[Any, tuple[int, Made]] = OrderedDict()

    def at(self, key: Any, place: Place) -> tuple[int, Made] | None:
        """What was made for this place or an earlier one that the stream still remembers."""
        with self._lock:
            found = self._made.get(key)
            if found is None or not place.floor <= found[0] <= place.head:
                return None
            self._made.move_to_end(key)
            return found

    def put(self, key: Any, head: int, made: Made) -> None:
        with self._lock:
            if key not in self._made or self._made[key][0] <= head:
                self._made[key] = (head, made)
            while len(self._made) > self._most:
                self._made.popitem(last=False)

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


class Documents:
    """A page shows what streams say and nothing else, so it is the same while they stand still."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._made: OrderedDict[Any, tuple[Any, Document]] = OrderedDict()

    def get(self, key: Any, state: Any, secrets: dict[str, str], make: Callable[[], str]) -> bytes:
        """The page of this key, made anew when `state` is another than it was."""
        with self._lock:
            found = self._made.get(key)
        if found is None or found[0] != state:
            found = (state, Document(make(), secrets))
        with self._lock:
            self._made[key] = found
            self._made.move_to_end(key)
            while len(self._made) > self._most:
                self._made.popitem(last=False)
        return found[1].with_secrets(secrets)
