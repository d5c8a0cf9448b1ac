"""Live or Backup, from the table of workers alone."""

from datetime import datetime, timedelta

import pytest
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import update

from models.base import db_now
from models.worker import Worker
from realtime import health


def worker(db: SQLAlchemy, seen_ago: float = 0, queue: str = "chat", busy: int = 0) -> None:
    db.session.add(Worker(queue=queue, host="here", pid=1, slots=16, busy=busy))
    db.session.flush()
    db.session.execute(update(Worker).values(seen_at=db_now(-seen_ago)), execution_options={"touched": True})
    db.session.commit()


def test_without_a_worker_it_is_backup(db: SQLAlchemy) -> None:
    status = health.status()

    assert status["mode"] == "backup"
    assert status["last_ok_at"] is None
    assert status["executor"] == {
        "queue": "chat", "healthy": False, "last_seen_at": None, "free_slots": 0, "waiting": 0,
    }  # fmt: skip


def test_with_a_worker_that_beats_it_is_live(db: SQLAlchemy) -> None:
    worker(db, busy=3)

    status = health.status()

    assert (status["mode"], status["executor"]["free_slots"]) == ("live", 13)
    assert status["last_ok_at"] == status["checked_at"]


@pytest.mark.parametrize(("ago", "mode"), [(25, "live"), (35, "backup"), (3600, "backup")])
def test_after_30_seconds_of_silence_it_is_backup(db: SQLAlchemy, ago: float, mode: str) -> None:
    worker(db, seen_ago=ago)

    assert health.status()["mode"] == mode


def test_the_last_success_is_when_the_executor_was_last_seen(db: SQLAlchemy) -> None:
    worker(db, seen_ago=100)

    status = health.status()

    gone = moment(status["checked_at"]) - moment(status["last_ok_at"])
    assert abs(gone - timedelta(seconds=100)) < timedelta(seconds=5)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_each_queue_has_its_own_executor(db: SQLAlchemy) -> None:
    worker(db, queue="runs")

    assert health.status("runs")["mode"] == "live"
    assert health.status("chat")["mode"] == "backup"
