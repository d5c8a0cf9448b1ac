"""API tokens for programs: an agent, a worker, or a person's own script. None of them can decide."""

from __future__ import annotations

import secrets
import string
import zlib
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Select,
    String,
    and_,
    bindparam,
    case,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.agent import Agent
from models.base import Model, Row, changed_rows, db, utcnow
from models.policy import TOKEN_RIGHTS
from models.project import Project
from models.secret import digest
from models.session import NOTED_EVERY
from models.text import clean_key, clean_name, invalid
from models.user import Membership, User

PREFIX = {"agent": "agt", "worker": "wrk", "user": "usr"}
LONGEST = timedelta(days=90)
_ALPHABET = string.ascii_letters + string.digits


class ApiToken(Row, Model):
    __tablename__ = "api_tokens"
    __table_args__ = (CheckConstraint("kind in ('agent', 'worker', 'user')", name="kind"),)

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(String(80))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    prefix: Mapped[str] = mapped_column(String(32))
    last4: Mapped[str] = mapped_column(String(4))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    agent_key: Mapped[str | None] = mapped_column(String(32))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    @classmethod
    def create(
        cls,
        project_id: UUID,
        kind: str,
        name: str,
        *,
        scopes: list[str] | None = None,
        agent_key: str | None = None,
        user_id: UUID | None = None,
        life: timedelta = LONGEST,
    ) -> tuple[ApiToken, str]:
        """The token's row and its text, shown once: trm_<kind>_<22>_<43>_<crc>."""
        if kind not in PREFIX:
            raise invalid("kind", f"must be one of {', '.join(PREFIX)}")
        granted = sorted(TOKEN_RIGHTS[kind] if scopes is None else set(scopes))
        if too_much := set(granted) - TOKEN_RIGHTS[kind]:
            raise invalid("scopes", f"a token of this kind cannot have {', '.join(sorted(too_much))}")
        if not timedelta(0) < life <= LONGEST:
            raise invalid("expires_at", "must be within 90 days")
        if kind == "agent":
            clean_key(agent_key, "agent_key")
        prefix, text = _new_text(kind)
        token = cls(
            project_id=project_id,
            kind=kind,
            name=clean_name(name),
            token_hash=digest(text),
            prefix=prefix,
            last4=text.split("_")[3][-4:],
            scopes=granted,
            agent_key=agent_key if kind == "agent" else None,
            user_id=user_id if kind == "user" else None,
            expires_at=utcnow() + life,
        )
        db.session.add(token)
        return token, text

    @classmethod
    def by_text(cls, text: str) -> Bearer | None:
        """The living token, and whom it speaks for; a mistyped one is refused without asking the database."""
        if not well_formed(text):
            return None
        found = db.session.execute(_BY_TEXT, {"hash": digest(text), "now": utcnow()}).first()
        return Bearer(*found) if found else None

    @classmethod
    def alive(cls, *columns: Any) -> Select[Any]:
        """The query of living tokens of open projects, to be kept and run with `now`.

        A person's token ends with the account and the membership, an agent's with the agent.
        """
        return (
            select(*columns)
            .select_from(cls)
            .join(Project, and_(Project.id == cls.project_id, Project.archived_at.is_(None)))
            .outerjoin(User, and_(User.id == cls.user_id, User.deactivated_at.is_(None)))
            .outerjoin(
                Membership, and_(Membership.user_id == User.id, Membership.project_id == cls.project_id)
            )
            .outerjoin(
                Agent,
                and_(
                    Agent.project_id == cls.project_id,
                    Agent.key == cls.agent_key,
                    Agent.archived_at.is_(None),
                ),
            )
            .where(cls.revoked_at.is_(None), cls.expires_at > bindparam("now"), cls.role().is_not(None))
        )

    @classmethod
    def role(cls) -> ColumnElement[str | None]:
        """What an `alive` token may at most be in its project, before its own scopes."""
        return case(
            (cls.kind == "user", Membership.role),
            (and_(cls.kind == "agent", Agent.id.is_not(None)), "member"),
            (cls.kind == "worker", "viewer"),
        )

    def note_use(self) -> bool:
        """Remember that it is in use, at most once a minute; False when that was known."""
        now = utcnow()
        if self.last_used_at is not None and self.last_used_at > now - NOTED_EVERY:
            return False
        changed_rows(update(ApiToken).where(ApiToken.id == self.id).values(last_used_at=now))
        return True

    def revoke(self) -> None:
        if self.revoked_at is None:
            self.revoked_at = utcnow()


class Bearer(NamedTuple):
    """A living token with all that it stands on."""

    token: ApiToken
    user: User | None
    project: Project
    role: str


# Made once, which takes longer than asking.
_BY_TEXT = ApiToken.alive(ApiToken, User, Project, ApiToken.role()).where(
    ApiToken.token_hash == bindparam("hash")
)


def _new_text(kind: str) -> tuple[str, str]:
    shown = "".join(secrets.choice(_ALPHABET) for _ in range(22))
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(43))
    prefix = f"trm_{PREFIX[kind]}_{shown}"
    return prefix, f"{prefix}_{secret}_{_checksum(prefix + secret)}"


def well_formed(text: str) -> bool:
    parts = text.split("_")
    return (
        text.isascii()
        and len(parts) == 5
        and parts[0] == "trm"
        and parts[4] == _checksum("_".join(parts[:3]) + parts[3])
    )


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"
