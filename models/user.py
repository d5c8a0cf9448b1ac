"""People: accounts, their memberships and the invites that make them."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint, exists, select
from sqlalchemy.orm import Mapped, aliased, mapped_column, relationship

from models.base import Model, Row, db, utcnow
from models.errors import Conflict, Forbidden, Invalid, NotFound
from models.guessable import guessable
from models.policy import RIGHTS, ROLES
from models.project import Project
from models.secret import digest
from models.text import clean, clean_name, invalid, slug

# 19 MiB, two passes, one lane: the least that OWASP's password storage sheet names for argon2id.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_NOBODY = _hasher.hash(secrets.token_urlsafe(16))

PASSWORD_LENGTHS = (12, 128)
INVITE_LIFE = timedelta(hours=72)
_ROLE_CHECK = "role in ('viewer', 'member', 'operator', 'owner')"


def hash_password(password: object, *own: str) -> str:
    """The argon2id hash; slow on purpose, so never inside a transaction. Invalid names the field.

    `own` are the name and the address of whose it is, of which it may not be made.
    """
    shortest, longest = PASSWORD_LENGTHS
    text = clean(password, "password", longest=longest)
    if len(text) < shortest:
        raise invalid("password", f"must be {shortest} characters at least")
    if guessable(text):
        raise invalid("password", "is one of the passwords that are tried first")
    if guessable(text, *own):
        raise invalid("password", "is made of the person's own name or address")
    return _hasher.hash(text)


def password_matches(stored: str | None, password: str) -> bool:
    """Whether the password is right; takes as long for an unknown user (stored=None)."""
    try:
        return _hasher.verify(stored or _NOBODY, password) and stored is not None
    except (VerifyMismatchError, InvalidHashError):
        return False


class User(Row, Model):
    __tablename__ = "users"

    email: Mapped[str] = mapped_column(String(254), unique=True)
    handle: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    deactivated_at: Mapped[datetime | None]
    device_epoch: Mapped[int] = mapped_column(default=0, server_default="0")
    """Moves when the browsers that are known for this account are forgotten."""

    memberships: Mapped[list[Membership]] = relationship(back_populates="user")

    @classmethod
    def create(cls, email: str, name: str, password_hash: str | None) -> User:
        """A new account; Conflict when the address is taken."""
        email = clean_email(email)
        if db.session.scalar(select(cls.id).where(cls.email == email)):
            raise Conflict("an account with this address exists", fields={"email": ["is taken"]})
        name = clean_name(name)
        user = cls(email=email, name=name, handle=_free_handle(name), password_hash=password_hash)
        db.session.add(user)
        db.session.flush()
        return user

    @classmethod
    def by_email(cls, email: str) -> User | None:
        return db.session.scalar(select(cls).where(cls.email == email.strip().lower()))

    @property
    def active(self) -> bool:
        return self.deactivated_at is None

    def deactivate(self) -> None:
        """Close the account; Invalid while it is the last owner's of a project."""
        for membership in self.memberships:
            membership.keep_an_owner()
        if self.deactivated_at is None:
            self.deactivated_at = utcnow()
            db.session.flush()
            for membership in self.memberships:
                membership.has_left(self)

    def reactivate(self) -> None:
        self.deactivated_at = None

    def forget_devices(self) -> None:
        self.device_epoch += 1

    @property
    def initials(self) -> str:
        words = self.name.split()
        return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "?"

    def join(self, project: Project, role: str) -> Membership:
        """Become a member; who already is one keeps the higher of the two roles."""
        if role not in ROLES:
            raise invalid("role", f"must be one of {', '.join(ROLES)}")
        membership = Membership.of(project.id, self.id)
        if membership is None:
            membership = Membership(project_id=project.id, user_id=self.id, role=role)
            db.session.add(membership)
        elif ROLES.index(role) > ROLES.index(membership.role):
            membership.role = role
        return membership


def _free_handle(name: str) -> str:
    """Nobody is called like another person, nor like an agent of any project."""
    from models.agent import Agent

    base = slug(name.split()[0] if name.split() else name)[:28]
    handle, number = base, 1
    taken = set(db.session.scalars(select(User.handle).where(User.handle.startswith(base))))
    taken.update(db.session.scalars(select(Agent.key).where(Agent.key.startswith(base))))
    while handle in taken or handle == "all":
        number += 1
        handle = f"{base}{number}"
    return handle


def clean_email(email: object) -> str:
    text = clean(email, "email", longest=254).strip().lower()
    name, at, host = text.partition("@")
    if not (name and at and host) or "@" in host or any(c.isspace() for c in text):
        raise invalid("email", "must look like name@example.org")
    return text


class Membership(Row, Model):
    __tablename__ = "memberships"
    __table_args__ = (
        UniqueConstraint("project_id", "user_id"),
        CheckConstraint(_ROLE_CHECK, name="role"),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    role: Mapped[str] = mapped_column(String(10))

    user: Mapped[User] = relationship(back_populates="memberships")
    project: Mapped[Project] = relationship()

    @classmethod
    def is_active(cls, project_id: Any, user_id: Any) -> Any:
        """In SQL: whether this person is a member there whose account is in use."""
        mine, user = aliased(cls), aliased(User)
        return exists().where(
            mine.project_id == project_id,
            mine.user_id == user_id,
            user.id == mine.user_id,
            user.deactivated_at.is_(None),
        )

    @classmethod
    def active_in(cls, project_ids: Collection[UUID]) -> dict[UUID, frozenset[UUID]]:
        """The people of each of these projects whose accounts are in use."""
        query = select(cls.project_id, cls.user_id).join(User, User.id == cls.user_id)
        rows = db.session.execute(query.where(cls.project_id.in_(project_ids), User.deactivated_at.is_(None)))
        people: dict[UUID, set[UUID]] = {project_id: set() for project_id in project_ids}
        for project_id, user_id in rows:
            people[project_id].add(user_id)
        return {project_id: frozenset(found) for project_id, found in people.items()}

    @classmethod
    def of(cls, project_id: UUID, user_id: UUID) -> Membership | None:
        return db.session.scalar(select(cls).where(cls.project_id == project_id, cls.user_id == user_id))

    @classmethod
    def must_allow(cls, right: str, project_id: UUID, user_id: UUID | None) -> None:
        """Forbidden unless this person has the right now, and the project is in use.

        For what waited for the executor: whoever asked may have lost the role meanwhile.
        """
        if not cls.allows(right, project_id, user_id):
            raise Forbidden("your role may not do this", project=project_id)

    @classmethod
    def allows(cls, right: str, project_id: UUID, user_id: UUID | None) -> bool:
        """Whether this person has the right now, and account and project are in use."""
        role = db.session.scalar(
            select(cls.role)
            .join(User, User.id == cls.user_id)
            .join(Project, Project.id == cls.project_id)
            .where(
                cls.project_id == project_id,
                cls.user_id == user_id,
                User.deactivated_at.is_(None),
                Project.archived_at.is_(None),
            )
        )
        return role is not None and ROLES.index(role) >= ROLES.index(RIGHTS[right])

    def change_role(self, role: str) -> None:
        """Give another role; a project never loses its last owner."""
        if role not in ROLES:
            raise invalid("role", f"must be one of {', '.join(ROLES)}")
        if role != "owner":
            self.keep_an_owner()
        self.role = role
        if ROLES.index(role) < ROLES.index(RIGHTS["proposal.decide"]):
            db.session.flush()
            self.decide_no_more(self.user)

    def end(self) -> None:
        """Leave the project; what the person wrote stays."""
        self.keep_an_owner()
        who = self.user
        db.session.delete(self)
        db.session.flush()
        self.has_left(who)

    def has_left(self, who: User) -> None:
        """What this person approved is for others to decide, and his conversations are closed."""
        from models.delivery import Delivery

        self.decide_no_more(who)
        Delivery.put_back_closed(self.project_id)

    def decide_no_more(self, who: User) -> None:
        """What this person approved and nobody began is for others to decide."""
        from models.proposal import Proposal
        from models.task import Task

        Proposal.decider_left(self.project_id, who.id, who.name)
        Task.void_unbegun(self.project_id, f"{who.name} may not decide here any more", who.id)

    def keep_an_owner(self) -> None:
        """Invalid when the project would be left without an owner who can sign in."""
        others = (
            select(Membership.id)
            .join(User, User.id == Membership.user_id)
            .where(
                Membership.project_id == self.project_id,
                Membership.role == "owner",
                Membership.id != self.id,
                User.deactivated_at.is_(None),
            )
        )
        if self.role == "owner" and db.session.scalar(others.limit(1)) is None:
            raise Invalid("a project needs an owner", fields={"role": ["is the last owner's"]})


class Invite(Row, Model):
    """A way in for one person: project and role are fixed inside, single use, 72 hours."""

    __tablename__ = "invites"
    __table_args__ = (CheckConstraint(_ROLE_CHECK, name="role"),)

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"), index=True)
    role: Mapped[str] = mapped_column(String(10))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    revoked_at: Mapped[datetime | None]

    project: Mapped[Project] = relationship()

    @classmethod
    def create(cls, project: Project, role: str, by: User) -> tuple[Invite, str]:
        """The invite and its secret, which is shown once and stored only as a hash."""
        if role not in ROLES:
            raise invalid("role", f"must be one of {', '.join(ROLES)}")
        secret = secrets.token_urlsafe(32)
        invite = cls(
            project_id=project.id,
            role=role,
            created_by=by.id,
            token_hash=digest(secret),
            expires_at=utcnow() + INVITE_LIFE,
        )
        db.session.add(invite)
        return invite, secret

    @classmethod
    def open_by_secret(cls, secret: str) -> Invite:
        """The invite that this secret opens; NotFound when it is unknown, used, revoked or too old."""
        invite = db.session.scalar(select(cls).where(cls.token_hash == digest(secret)))
        if invite is None or not invite.open:
            raise NotFound("this invite was used, taken back, or is too old")
        return invite

    @property
    def open(self) -> bool:
        return self.used_at is None and self.revoked_at is None and self.expires_at > utcnow()

    def accept(self, user: User) -> Membership:
        """Use it up; the caller holds the write lock or the row."""
        self.used_at, self.used_by = utcnow(), user.id
        return user.join(self.project, self.role)
