"""Doors: which threads are open, since what is said in a closed one reaches nobody by a stream."""

from __future__ import annotations

from uuid import UUID

from models import labs
from models.delivery import Delivery
from models.message import Message, Reaction
from models.proposal import Proposal
from models.run import Run
from models.thread import Thread
from realtime.rows import Item, Rows

TABLES = frozenset(model.__tablename__ for model in (Thread, Message, Reaction, Delivery, Proposal, Run))
"""The tables of what stands in threads."""
_KINDS = {"project": "room", "user": "dm"}
"""The kind of the threads that each kind of stream carries."""


class Doors:
    """What is known is kept until a right changes somewhere, so that a look rarely has to ask."""

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._open: dict[UUID, frozenset[str]] = {}
        self._shut: set[str] = set()

    def look(self, rows: Rows, epoch: int | None = None) -> None:
        """In the snapshot of the rows, and of the epoch: learn what decides about them."""
        wanted = {row.project_id for row in rows.of(TABLES)}
        wanted = wanted | self._open.keys() if epoch != self._epoch else wanted - self._open.keys()
        if wanted:
            self._open = self._open | labs.open_threads(wanted)
            closed = (project_id for project_id, kinds in self._open.items() if "room" not in kinds)
            self._shut = {f"project:{project_id}" for project_id in closed}
        self._epoch = epoch

    def shut(self, stream: str) -> bool:
        """Whether the room whose project's stream this is was seen closed."""
        return stream in self._shut

    def through(self, stream: str, items: list[Item], rows: Rows) -> list[Item]:
        """The items without those of closed threads; one whose row is gone says nothing of it."""
        kind = _KINDS.get(stream.partition(":")[0])
        return [item for item in items if item.table not in TABLES or self._shows(item, kind, rows)]

    def _shows(self, item: Item, kind: str | None, rows: Rows) -> bool:
        row = rows.get(item)
        return row is None or kind in self._open.get(row.project_id, ())
