"""What the owners of one project may see of the audit log, which is one for the whole installation."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select

from models.audit import AuditEntry, AuditHead
from models.base import db, reading
from models.project import Project
from models.secret import digest
from models.user import Membership, User

REACH = 50_000
"""How many entries back one page looks for what fits its filter, so that it never reads a long log whole."""
CHUNK = 500
OF_ACCOUNT = 24
"""Characters of a failed sign-in's subject that name the account: `account ` and half of its hash."""


@dataclass(frozen=True)
class Filter:
    """What is asked for; what is empty lets everything through. Days are whole days of UTC."""

    actor: str = ""
    action: str = ""
    """The beginning of the action."""
    subject: str = ""
    """Words of the subject."""
    since: date | None = None
    until: date | None = None
    """The last day."""

    @property
    def empty(self) -> bool:
        return self == Filter()

    def conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.actor:
            found.append(AuditEntry.actor == self.actor)
        if self.action:
            found.append(AuditEntry.action.startswith(self.action, autoescape=True))
        if self.subject:
            found.append(AuditEntry.subject.icontains(self.subject, autoescape=True))
        return found


class Page(NamedTuple):
    entries: list[AuditEntry]
    older: int | None
    """Ask with it for what comes before; none at the beginning of the log, or of the days asked for."""


class Told(NamedTuple):
    """An entry of an export; `whole` when all of it may be told, else only its place in the chain."""

    entry: AuditEntry
    whole: bool


class Trail:
    """A project's own entries, and those of its members that belong to no project, such as sign-ins."""

    def __init__(self, project: Project, wanted: Filter) -> None:
        self._wanted = wanted
        self._mine = or_(
            AuditEntry.project_id == project.id,
            and_(AuditEntry.project_id.is_(None), _of_members(project)),
        )

    def page(self, before: int | None = None, limit: int = 50) -> Page:
        """The newest entries, or those before a seq."""
        first, last = self._bounds()
        top = min(before - 1 if before is not None else last, last)
        bottom = max(first, top - REACH + 1)
        query = select(AuditEntry).where(
            AuditEntry.seq >= bottom, AuditEntry.seq <= top, self._mine, *self._wanted.conditions()
        )
        found = list(db.session.scalars(query.order_by(AuditEntry.seq.desc()).limit(limit)))
        reached = found[-1].seq if len(found) == limit else bottom
        return Page(found, reached if reached > first else None)

    def copy(self) -> Copy:
        """All of it up to now, to be read piece by piece.

        Without a filter the entries of others are among it, as places in the chain.
        """
        first, last = self._bounds()
        query = select(AuditEntry, self._mine.label("mine"))
        if not self._wanted.empty:
            query = query.where(self._mine, *self._wanted.conditions())
        return Copy(query, first - 1, last)

    def _bounds(self) -> tuple[int, int]:
        """The first and the last seq of the days asked for, found by halving: the log is in order."""
        end = db.session.scalar(select(AuditHead.seq)) or 0
        first, last = 1, end
        if self._wanted.since is not None:
            first = 1 + bisect_left(range(1, end + 1), _begin(self._wanted.since), key=_time_of)
        if self._wanted.until is not None:
            after = self._wanted.until + timedelta(days=1)
            last = bisect_left(range(1, end + 1), _begin(after), key=_time_of)
        return first, last


class Copy:
    """Entries in order, from its first call to its last: nothing is kept, and no transaction is left open."""

    def __init__(self, query: Any, after: int, last: int) -> None:
        self._query, self._after, self._last = query, after, last

    def more(self) -> list[Told] | None:
        """The next piece, which may be empty; None when there is no more."""
        if self._after >= self._last:
            return None
        upto = min(self._after + REACH, self._last)
        with reading():
            found = self._query.where(AuditEntry.seq > self._after, AuditEntry.seq <= upto)
            rows = db.session.execute(found.order_by(AuditEntry.seq).limit(CHUNK)).all()
            db.session.expunge_all()
            db.session.rollback()
        self._after = rows[-1][0].seq if len(rows) == CHUNK else upto
        return [Told(entry, bool(mine)) for entry, mine in rows]


def _of_members(project: Project) -> ColumnElement[bool]:
    """Who did it, or to whom it was done, is in the project; or it is how the project was made."""
    query = select(User.id, User.handle, User.email).join(Membership, Membership.user_id == User.id)
    people = db.session.execute(query.where(Membership.project_id == project.id)).all()
    subjects = [f"project {project.key}", *(f"user {handle}" for _, handle, _ in people)]
    accounts = [f"account {digest(email)[:16]}" for _, _, email in people]
    return or_(
        AuditEntry.actor.in_([f"person:{user_id}" for user_id, _, _ in people]),
        AuditEntry.subject.in_(subjects),
        func.substr(AuditEntry.subject, 1, OF_ACCOUNT).in_(accounts),
    )


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _time_of(seq: int) -> datetime:
    """When the entry was made; of one that is missing, the next."""
    query = select(AuditEntry.created_at).where(AuditEntry.seq >= seq).order_by(AuditEntry.seq).limit(1)
    return db.session.scalar(query) or datetime.max.replace(tzinfo=UTC)


def names(entries: list[AuditEntry]) -> dict[str, str]:
    """The names of the people who acted, by actor."""
    ids = {key.partition(":")[2] for key in (entry.actor for entry in entries) if key.startswith("person:")}
    query = select(User.id, User.name).where(User.id.in_([UUID(each) for each in ids]))
    return {f"person:{user_id}": name for user_id, name in db.session.execute(query)}
