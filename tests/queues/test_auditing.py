"""The clock reads the whole audit log again and again, and notes whether it was whole."""

from datetime import timedelta

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text

from models import append_only, audit
from models.base import utcnow
from queues import auditing
from queues.auditing import Auditor
from queues.clock import duties_of


@pytest.fixture
def entries(db: SQLAlchemy) -> list[audit.AuditEntry]:
    made = [audit.record("operator", "happened", str(number)) for number in range(7)]
    db.session.commit()
    return made


def found(db: SQLAlchemy) -> tuple[int | None, int | None]:
    """How many entries the last check saw, and the first that did not fit."""
    db.session.rollback()
    db.session.expire_all()
    head = audit.checked()
    said = (head.checked_seq, head.broken_at) if head.checked_at else (None, None)
    db.session.rollback()
    return said


def test_a_log_is_whole(db: SQLAlchemy, entries: list[audit.AuditEntry]) -> None:
    assert found(db) == (None, None)

    assert Auditor().look() == 1

    assert found(db) == (7, None)


def test_an_empty_log_is_whole(db: SQLAlchemy) -> None:
    assert Auditor().look() == 1

    assert found(db) == (0, None)


@pytest.mark.parametrize("stretch", [1, 2, 3, 7])
def test_it_is_read_a_stretch_at_a_time(
    db: SQLAlchemy, entries: list[audit.AuditEntry], monkeypatch: pytest.MonkeyPatch, stretch: int
) -> None:
    monkeypatch.setattr(auditing, "STRETCH", stretch)
    auditor = Auditor()

    looks = 1
    while not auditor.look():
        assert found(db) == (None, None)
        looks += 1

    assert looks == 7 // stretch + 1
    assert found(db) == (7, None)


def test_after_a_look_it_rests_for_an_hour(
    db: SQLAlchemy, entries: list[audit.AuditEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    auditor = Auditor()
    assert auditor.look() == 1
    audit.record("operator", "happened", "later")
    db.session.commit()

    assert auditor.look() == 0
    assert found(db) == (7, None)
    later = utcnow() + timedelta(hours=1, seconds=1)
    monkeypatch.setattr(auditing, "utcnow", lambda: later)
    assert auditor.look() == 1
    assert found(db) == (8, None)


BREAKS = {
    "UPDATE audit_log SET actor = 'nobody' WHERE seq = 3": 3,
    "DELETE FROM audit_log WHERE seq = 4": 5,
    "DELETE FROM audit_log WHERE seq > 5": 6,
    f"UPDATE audit_head SET hash = '{'0' * 64}'": 7,
    "UPDATE audit_head SET seq = 6, hash = (SELECT hash FROM audit_log WHERE seq = 6)": 7,
}


@pytest.mark.parametrize("stretch", [2, 100])
@pytest.mark.parametrize("change", BREAKS)
@pytest.mark.databases("sqlite")
def test_what_was_changed_is_found(
    db: SQLAlchemy,
    entries: list[audit.AuditEntry],
    monkeypatch: pytest.MonkeyPatch,
    change: str,
    stretch: int,
) -> None:
    monkeypatch.setattr(auditing, "STRETCH", stretch)
    for name in append_only.names("sqlite"):
        db.session.execute(text(f"DROP TRIGGER {name}"))
    db.session.execute(text(change))
    db.session.commit()
    auditor = Auditor()

    while not auditor.look():
        pass

    assert found(db)[1] == BREAKS[change]


@pytest.mark.databases("sqlite")
def test_a_log_that_grows_shorter_while_it_is_read_is_broken(
    db: SQLAlchemy, entries: list[audit.AuditEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "STRETCH", 5)
    auditor = Auditor()
    assert auditor.look() == 0
    for name in append_only.names("sqlite"):
        db.session.execute(text(f"DROP TRIGGER {name}"))
    db.session.execute(text("DELETE FROM audit_log WHERE seq > 3"))
    db.session.execute(
        text("UPDATE audit_head SET seq = 3, hash = (SELECT hash FROM audit_log WHERE seq = 3)")
    )
    db.session.commit()

    assert auditor.look() == 1

    assert found(db) == (3, 4)


def test_the_clock_does_it(app: Flask, db: SQLAlchemy, entries: list[audit.AuditEntry]) -> None:
    (duty,) = [duty for duty in duties_of(app) if duty.name == "auditor"]

    assert duty.do() == 1

    assert found(db) == (7, None)
