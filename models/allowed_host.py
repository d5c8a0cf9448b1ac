"""The servers that a project may ask: none, until an owner lists them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from models.actions.url import address_of
from models.base import Model, Row, db
from models.errors import Conflict, NotFound
from models.text import clean, invalid
from models.user import User

MOST = 100


class AllowedHost(Row, Model):
    """One origin, in the one spelling that Address.origin writes: `https://api.example.com`."""

    __tablename__ = "allowed_hosts"
    __table_args__ = (UniqueConstraint("project_id", "origin"),)

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    origin: Mapped[str] = mapped_column(String(280))
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))

    @classmethod
    def add(cls, project_id: UUID, text: object, by: User) -> AllowedHost:
        """List a server: a host, perhaps with a port, by https; by http only where that is written out.

        Raises Invalid, or Conflict when it is listed.
        """
        origin = _origin(text)
        listed = cls.origins(project_id)
        if origin in listed:
            raise Conflict(f"{origin} is listed already", fields={"host": ["is listed already"]})
        if len(listed) >= MOST:
            raise invalid("host", f"is one too many: {MOST} can be listed")
        made = cls(project_id=project_id, origin=origin, created_by=by.id)
        db.session.add(made)
        return made

    @classmethod
    def of(cls, project_id: UUID, host_id: UUID) -> AllowedHost:
        """The one of this project; NotFound else."""
        found = db.session.get(cls, host_id)
        if found is None or found.project_id != project_id:
            raise NotFound
        return found

    @classmethod
    def of_project(cls, project_id: UUID) -> list[AllowedHost]:
        return list(db.session.scalars(select(cls).where(cls.project_id == project_id).order_by(cls.origin)))

    @classmethod
    def origins(cls, project_id: UUID) -> frozenset[str]:
        return frozenset(db.session.scalars(select(cls.origin).where(cls.project_id == project_id)))


def _origin(text: object) -> str:
    given = clean(text, "host", longest=270).strip().rstrip("/").lower()
    try:
        address = address_of(given if "://" in given else f"https://{given}")
    except ValueError as error:
        raise invalid("host", str(error)) from None
    if address.target != "/":
        raise invalid("host", "must be a server alone, without a path")
    return address.origin
