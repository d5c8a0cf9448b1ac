"""The audit log only grows, and shows when somebody changed it (I8)."""

import pytest
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from models import AuditEntry, append_only, audit


@pytest.fixture
def entries(db: SQLAlchemy) -> list[AuditEntry]:
    made = [audit.record("user:1", "sign_in", f"session:{number}", ip="::1") for number in range(4)]
    db.session.commit()
    return made


def stored(db: SQLAlchemy) -> list[AuditEntry]:
    db.session.expire_all()
    return list(db.session.scalars(select(AuditEntry).order_by(AuditEntry.seq)))


def test_an_untouched_chain_is_whole(db: SQLAlchemy, entries: list[AuditEntry]) -> None:
    assert [entry.seq for entry in stored(db)] == [1, 2, 3, 4]
    assert audit.broken_at(stored(db)) is None


@pytest.mark.parametrize(
    ("column", "value"),
    [("actor", "user:2"), ("action", "sign_out"), ("subject", "x"), ("detail", {}), ("hash", "0" * 64)],
)
def test_any_change_is_seen(db: SQLAlchemy, entries: list[AuditEntry], column: str, value: object) -> None:
    setattr(entries[1], column, value)

    assert audit.broken_at(entries) == 2


def test_a_missing_entry_is_seen(entries: list[AuditEntry]) -> None:
    assert audit.broken_at([entries[0], *entries[2:]]) == 3


@pytest.mark.parametrize("verb", ["UPDATE audit_log SET actor = 'nobody'", "DELETE FROM audit_log"])
def test_the_database_refuses_to_change_it(db: SQLAlchemy, entries: list[AuditEntry], verb: str) -> None:
    with pytest.raises(DBAPIError):
        db.session.execute(text(verb))
    db.session.rollback()

    assert len(stored(db)) == 4


@pytest.mark.databases("sqlite")
def test_without_the_triggers_the_change_goes_through(db: SQLAlchemy, entries: list[AuditEntry]) -> None:
    """The control: the refusal above comes from the triggers, and `missing` would name them."""
    for name in append_only.names("sqlite"):
        db.session.execute(text(f"DROP TRIGGER {name}"))

    db.session.execute(text("UPDATE audit_log SET actor = 'nobody' WHERE seq = 2"))

    assert append_only.missing(db.session.connection()) == sorted(append_only.names("sqlite"))
    assert audit.broken_at(stored(db)) == 2


def test_every_trigger_is_there(db: SQLAlchemy) -> None:
    assert append_only.missing(db.session.connection()) == []
