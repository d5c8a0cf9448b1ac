"""Doors: which threads are open, since what is said in a closed one reaches nobody by a stream.

Documents, tasks and schedules have doors of their own: while their flag is off, none is on a stream.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select

from models import labs
from models.approval import Approval
from models.base import db
from models.delivery import Delivery
from models.message import Message, Reaction
from models.proposal import Proposal
from models.run import Run
from models.thread import Thread
from models.user import Membership
from realtime.rows import Item, Rows

TABLES = frozenset(model.__tablename__ for model in (Thread, Message, Reaction, Delivery, Proposal, Run))
"""The tables of what stands in threads."""
_ON_PROJECT = frozenset((*labs.OF_THREAD, *labs.OF_TABLE))
"""A DM's, too: its proposals are for the whole project when its owner may not decide."""


class Doors:
    """What is known is kept until a right changes somewhere, so that a look rarely has to ask."""

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._open: dict[UUID, frozenset[str]] = {}
        self._people: dict[UUID, frozenset[UUID]] = {}
        """Whose conversations are open, in the projects where any are."""
        self._closed: dict[str, frozenset[str]] = {}
        """What of each project's stream is closed."""
        self._kinds: dict[UUID, str] = {}
        """Where each proposal and run of the last look was made: in a kind of thread, or in a task."""
        self._heard: set[UUID] = set()
        """Projects of which something was heard, but nothing is known."""

    def look(self, rows: Rows, epoch: int | None = None) -> None:
        """In the snapshot of the rows, and of the epoch: learn what decides about them."""
        heard, self._heard = self._heard, set()
        self._kinds = _kinds(rows)
        wanted = {row.project_id for row in rows.of(TABLES | labs.OF_TABLE.keys())} | heard
        wanted = wanted | self._open.keys() if epoch != self._epoch else wanted - self._open.keys()
        if wanted:
            self._open = self._open | labs.open_threads(wanted)
            talking = [project_id for project_id in wanted if "dm" in self._open[project_id]]
            self._people = self._people | dict.fromkeys(wanted, frozenset()) | Membership.active_in(talking)
            self._closed = {f"project:{one}": _ON_PROJECT - kinds for one, kinds in self._open.items()}
        self._epoch = epoch

    def closed(self, stream: str) -> frozenset[str]:
        """What of a project's stream was seen closed: a kind of thread, or a table with a flag of its own."""
        return self._closed.get(stream, frozenset())

    def shut(self, stream: str, project_id: UUID | None = None) -> bool:
        """Whether what is said in threads may not be heard on this stream, as far as is known.

        A project's stream carries its room; a person's stream his conversations in the project `project_id`,
        of which the next look learns when nothing is known yet.
        """
        if project_id is None or (owner := _owner(stream)) is None:
            return "room" in self.closed(stream)
        if project_id not in self._open:
            self._heard.add(project_id)
            return False
        return owner not in self._people[project_id]

    def through(self, stream: str, items: list[Item], rows: Rows) -> list[Item]:
        """The items without those of closed threads; one whose row is gone says nothing of it."""
        owner = _owner(stream)
        return [
            item
            for item in items
            if (item.table not in TABLES or self._shows(item, owner, rows))
            and (item.table not in labs.OF_TABLE or self._is_open(item, item.table, rows))
        ]

    def _shows(self, item: Item, owner: UUID | None, rows: Rows) -> bool:
        row = rows.get(item)
        if row is None:
            return True
        if owner is not None:
            return owner in self._people.get(row.project_id, ())
        return self._is_open(item, self._kinds.get(row.id, "room"), rows)

    def _is_open(self, item: Item, kind: str, rows: Rows) -> bool:
        row = rows.get(item)
        return row is None or kind in self._open.get(row.project_id, ())


def _kinds(rows: Rows) -> dict[UUID, str]:
    """What is behind each proposal and run; nothing else of a DM is on a project's stream."""
    kinds = {proposal.id: proposal.kind for proposal in rows.of({Proposal.__tablename__})}
    all_runs = rows.of({Run.__tablename__})
    # What is part of a task, or finds some, is closed with them.
    kinds |= {run.id: labs.OF_TASKS for run in all_runs if run.kind != "action"}
    runs = [run.id for run in all_runs if run.kind == "action"]
    if runs:
        kind = func.coalesce(Thread.kind, labs.OF_TASKS)
        of_runs = select(Run.id, kind).join(Approval, Approval.id == Run.approval_id)
        of_runs = of_runs.join(Proposal, Proposal.id == Approval.subject_id)
        of_runs = of_runs.outerjoin(Thread, Thread.id == Proposal.thread_id).where(Run.id.in_(runs))
        kinds |= {run_id: kind for run_id, kind in db.session.execute(of_runs)}
    return kinds


def _owner(stream: str) -> UUID | None:
    """Whose stream it is; None for a project's."""
    kind, _, text = stream.partition(":")
    return UUID(text) if kind == "user" else None
