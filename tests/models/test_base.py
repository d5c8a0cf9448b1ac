"""Transactions begin in the right mode, and the loser of a race is told so."""

import sqlite3
import threading

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, event, select, text
from sqlalchemy.exc import DBAPIError

from models import Delivery, Project, base
from models.base import begin_reading, db_now, reading, utcnow
from models.errors import Busy, Conflict
from tests.models.conftest import Room
from tests.support.databases import Database


def test_a_reading_transaction_cannot_write(db: SQLAlchemy) -> None:
    with reading():
        db.session.add(Project(key="x", name="X"))
        with pytest.raises(DBAPIError):
            db.session.flush()
        db.session.rollback()

    db.session.add(Project(key="x", name="X"))
    db.session.commit()


def test_a_reading_transaction_sees_one_snapshot(app: Flask, db: SQLAlchemy) -> None:
    count = select(Project.id)
    begin_reading()
    assert db.session.scalars(count).all() == []

    def write() -> None:
        with app.app_context():
            Project.create("x", "X")
            base.db.session.commit()

    writer = threading.Thread(target=write)
    writer.start()
    writer.join()

    assert db.session.scalars(count).all() == []
    db.session.rollback()
    begin_reading(False)
    assert len(db.session.scalars(count).all()) == 1


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("rolled_back", [False, True])
def test_what_snapshots_ask_again_and_again_stays_prepared(db: SQLAlchemy, rolled_back: bool) -> None:
    """The driver prepares what it has sent five times, and forgets all of it at a ROLLBACK (the control)."""
    if rolled_back:
        event.remove(Engine, "rollback", base._end_snapshot)
    try:
        with db.engine.connect() as connection, reading():
            for _ in range(7):
                connection.execute(select(Project.name))
                connection.rollback()
            kept = connection.scalar(text("SELECT count(*) FROM pg_prepared_statements"))
    finally:
        if rolled_back:
            event.listen(Engine, "rollback", base._end_snapshot)

    assert bool(kept) is not rolled_back


@pytest.mark.databases("sqlite")
def test_a_locked_database_is_named_busy_after_patience(
    db: SQLAlchemy, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "BUSY_PATIENCE", 0.05)
    other = sqlite3.connect(database.url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(Busy):
        db.session.execute(text("SELECT 1"))
    db.session.rollback()

    other.execute("ROLLBACK")
    db.session.execute(text("SELECT 1"))
    other.close()


@pytest.mark.databases("sqlite")
def test_a_writer_waits_for_a_short_lock(db: SQLAlchemy, database: Database) -> None:
    other = sqlite3.connect(
        database.url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False
    )
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.05, other.execute, ["ROLLBACK"]).start()

    db.session.execute(text("SELECT 1"))

    assert db.session().in_transaction()


def test_the_databases_clock_is_ours_and_can_be_shifted(db: SQLAlchemy) -> None:
    then, now, later = db.session.execute(select(db_now(-30), db_now(), db_now(30))).one()

    assert abs((now - utcnow()).total_seconds()) < 5
    assert round((later - then).total_seconds()) == 60


def test_advance_names_what_it_found(room: Room) -> None:
    [delivery] = room.say("@trunks hello").deliveries
    delivery.take()

    with pytest.raises(Conflict) as refused:
        delivery.advance("status", "queued", "failed")

    assert isinstance(refused.value.row, Delivery)
    assert "delivered" in refused.value.message


def test_two_threads_take_one_delivery_once(app: Flask, db: SQLAlchemy, room: Room) -> None:
    [delivery] = room.say("@trunks hello").deliveries
    db.session.commit()
    won: list[bool] = []
    start = threading.Barrier(6)

    def take(delivery_id: object = delivery.id) -> None:
        with app.app_context():
            mine = base.db.session.get_one(Delivery, delivery_id)
            base.db.session.rollback()
            start.wait()
            won.append(mine.take())
            base.db.session.commit()

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(won) == [False] * 5 + [True]
