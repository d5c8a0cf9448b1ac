"""Who decides: a person with the role for it, in a session of his own that lives at this moment."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from models.base import db, utcnow
from models.errors import Forbidden, ReauthenticationNeeded
from models.policy import Principal
from models.project import Project
from models.session import FRESH, UserSession
from models.user import Membership, User

RIGHT = "proposal.decide"


@dataclass(frozen=True)
class Decider:
    user: User
    session: UserSession

    @classmethod
    def of(cls, session_id: UUID | None, project_id: UUID) -> Decider:
        """Read in the transaction that decides; Forbidden for everybody else, whoever let the request in.

        Until it ends nobody can end the session, the account, the role or the project: a decision is
        made with the right to it, or comes too late.
        """
        row = db.session.execute(
            UserSession.alive(UserSession, User, Membership.role)
            .join(Membership, Membership.user_id == User.id)
            .join(Project, Project.id == Membership.project_id)
            .where(
                UserSession.id == session_id,
                Membership.project_id == project_id,
                Project.archived_at.is_(None),
            )
            .with_for_update(read=True, of=[UserSession, User, Membership, Project])
            .execution_options(populate_existing=True),
            UserSession.living_at(utcnow()),
        ).one_or_none()
        if row is None:
            raise Forbidden("only a person who is signed in decides", project=project_id)
        session, user, role = row
        who = Principal("person", user.id, session_id=session.id, roles={project_id: role})
        if not who.may(RIGHT, project_id):
            raise Forbidden("your role may not do this", project=project_id)
        return cls(user, session)

    def must_be_fresh(self) -> None:
        if self.session.authenticated_at < utcnow() - FRESH:
            raise ReauthenticationNeeded("sign in again first: this needs a sign-in of the last 15 minutes")

    @property
    def key(self) -> str:
        """As Principal.key, for the audit log."""
        return f"person:{self.user.id}"
