"""The epoch of rights: one number that moves with every change to who may do what."""

from typing import Any

from sqlalchemy import event, inspect, select, update
from sqlalchemy.orm import Mapped, Session, SessionTransaction, mapped_column

from models import labs
from models.base import Model, changed_rows, db
from models.project import Project, ProjectSetting
from models.session import UserSession
from models.token import ApiToken
from models.user import Membership, User

_QUIET = {"seen_at", "last_used_at"}


class AuthzEpoch(Model):
    __tablename__ = "authz_epoch"

    id: Mapped[int] = mapped_column(primary_key=True)
    epoch: Mapped[int] = mapped_column(default=0)

    @classmethod
    def current(cls) -> int:
        return db.session.scalar(select(cls.epoch).where(cls.id == 1)) or 0


def _is_about_rights(row: Any) -> bool:
    if isinstance(row, ProjectSetting):
        return row.key == labs.SETTING
    return isinstance(row, (UserSession, Membership, ApiToken, User, Project))


@event.listens_for(Session, "after_flush")
def _note(session: Session, context: Any) -> None:
    for row in (*session.new, *session.dirty, *session.deleted):
        if _is_about_rights(row) and _matters(session, row):
            session.info["rights_changed"] = True
            return


def _matters(session: Session, row: Any) -> bool:
    if row in session.new or row in session.deleted:
        return True
    changed = {attr.key for attr in inspect(row).attrs if attr.history.has_changes()}
    return bool(changed - _QUIET)


@event.listens_for(Session, "before_commit")
def _bump(session: Session) -> None:
    if session.in_nested_transaction():
        return
    session.flush()
    if session.info.pop("rights_changed", False):
        changed_rows(update(AuthzEpoch).where(AuthzEpoch.id == 1).values(epoch=AuthzEpoch.epoch + 1))


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, transaction: SessionTransaction) -> None:
    # A savepoint's rollback leaves standing what was changed before it.
    if transaction.parent is None:
        session.info.pop("rights_changed", None)
