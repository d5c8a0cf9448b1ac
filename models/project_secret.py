"""What another server wants to be told in confidence: an owner stores it, nobody reads it again."""

from __future__ import annotations

import re
from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from models.allowed_host import AllowedHost
from models.base import Model, Row, db
from models.errors import Conflict, NotFound
from models.sealing import seal, unseal
from models.text import invalid
from models.user import User

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{6,3998})[\x21-\x7e]")
"""What a header can carry; shorter ones would be found by chance in answers, where they are blotted out."""


class ProjectSecret(Row, Model):
    """`sealed` is bound to project, name and server: copied to another row it cannot be read."""

    __tablename__ = "project_secrets"
    __table_args__ = (UniqueConstraint("project_id", "name"),)

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[str] = mapped_column(String(64))
    origin: Mapped[str] = mapped_column(String(280))
    """The only server that it is sent to."""
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))

    @classmethod
    def store(
        cls, project_id: UUID, name: str, origin: str, value: str, by: User, secret_key: str
    ) -> ProjectSecret:
        """Keep it for one of the listed servers. Raises Invalid, or Conflict when the name is taken."""
        if not _NAME.fullmatch(name):
            raise invalid("name", "must be 1 to 64 of A-Z, a-z, 0-9, - and _, and begin with a letter")
        if origin not in AllowedHost.origins(project_id):
            raise invalid("origin", "must be a server of the list")
        if not _VALUE.fullmatch(value):
            raise invalid("value", "must be 8 to 4,000 plain ASCII characters, without spaces around it")
        if db.session.scalar(select(cls.id).where(cls.project_id == project_id, cls.name == name)):
            raise Conflict("there is a secret of this name", fields={"name": ["is taken: remove it first"]})
        made = cls(project_id=project_id, name=name, origin=origin, created_by=by.id)
        made.sealed = seal(value, secret_key, made._about)
        db.session.add(made)
        return made

    @classmethod
    def of(cls, project_id: UUID, secret_id: UUID) -> ProjectSecret:
        """The one of this project; NotFound else."""
        found = db.session.get(cls, secret_id)
        if found is None or found.project_id != project_id:
            raise NotFound
        return found

    @classmethod
    def of_project(cls, project_id: UUID) -> list[ProjectSecret]:
        return list(db.session.scalars(select(cls).where(cls.project_id == project_id).order_by(cls.name)))

    @classmethod
    def values(cls, project_id: UUID, names: Collection[str], origin: str, secret_key: str) -> dict[str, str]:
        """What these hold, to be sent to this server. Raises NotFound or Conflict, which name the secret."""
        stored = {secret.name: secret for secret in cls.of_project(project_id)}
        return {name: cls._value(stored.get(name), name, origin, secret_key) for name in names}

    @classmethod
    def _value(cls, secret: ProjectSecret | None, name: str, origin: str, secret_key: str) -> str:
        if secret is None:
            raise NotFound(f"this project has no secret {name!r}")
        if secret.origin != origin:
            raise Conflict(f"the secret {name!r} may be sent to {secret.origin} only")
        try:
            return unseal(secret.sealed, secret_key, secret._about)
        except Conflict as error:
            raise Conflict(f"the secret {name!r} cannot be read: {error.message}") from None

    @property
    def _about(self) -> str:
        return f"{self.project_id}\n{self.name}\n{self.origin}"
