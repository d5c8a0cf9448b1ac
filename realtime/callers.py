"""Who is behind a websocket: read from the session's row each time, never remembered."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam

from models.base import db, utcnow
from models.policy import Principal
from models.project import Project
from models.session import IDLE, LONGEST, UserSession
from models.user import Membership
from realtime.hardening import Link, Rate


@dataclass(frozen=True)
class Standing:
    """What a living session may do now, and when it ends if nobody uses it."""

    principal: Principal
    until: datetime


_STANDINGS = UserSession.alive_in_projects(
    UserSession.id,
    UserSession.user_id,
    UserSession.seen_at,
    UserSession.created_at,
    Project.id,
    Membership.role,
).where(UserSession.id.in_(bindparam("ids", expanding=True)))


def standings(session_ids: Iterable[UUID]) -> dict[UUID, Standing]:
    """The standing of each living session, in one query; ended ones are missing."""
    sessions = list(session_ids)
    rows = db.session.execute(_STANDINGS, {"ids": sessions, **UserSession.living_at(utcnow())})
    found: dict[UUID, Standing] = {}
    for session_id, user_id, seen_at, created_at, project_id, role in rows:
        if session_id not in found:
            principal = Principal(kind="person", id=user_id, session_id=session_id, roles={})
            found[session_id] = Standing(principal, min(seen_at + IDLE, created_at + LONGEST))
        if project_id is not None:
            found[session_id].principal.roles[project_id] = role
    return found


@dataclass(eq=False)
class Caller(Link):
    """A person's websocket, the session it was opened with, and the streams it follows."""

    session_id: UUID = field(kw_only=True)
    until: datetime = field(kw_only=True)
    streams: set[str] = field(default_factory=set)
    rates: dict[str, Rate] = field(default_factory=dict)
    """How often each event came."""

    def standing(self) -> Standing | None:
        """Read again; None when the session has ended."""
        return standings([self.session_id]).get(self.session_id)
