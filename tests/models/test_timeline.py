"""The timeline as it is read: by time, with what older tables say in its place, until that is moved, once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from models import Task, TaskEvent, append_only, timeline
from models.timeline import Place
from tests.models.conftest import Room
from tests.support import legacy
from tests.support.databases import Database
from webapp import backfill


@pytest.fixture
def task(room: Room, database: Database, db: SQLAlchemy) -> Task:
    """With six older rows, two of them at one time, before and after what is an event already."""
    made = Task.promote(room.say("look"), room.mara)
    db.session.commit()
    at = made.events(1)[0].created_at
    long_ago = at - timedelta(days=9)
    legacy.comment(database, made, "first **word**", long_ago)
    legacy.comment(database, made, "by an agent", long_ago + timedelta(hours=1), agent="bulma")
    for title in ("A", "B"):
        legacy.output(database, made, title, long_ago + timedelta(hours=2), link_url="https://example.org/a")
    legacy.output(database, made, "C", at, output_type="file", storage_path="a/b.txt", created_by="bulma")
    legacy.comment(database, made, "last word", at + timedelta(hours=1))
    return made


def pages(task: Task, size: int) -> list[str]:
    """All of it, read page by page from its end."""
    found: list[str] = []
    before = None
    while events := timeline.page(task.id, size, before):
        found = [event.content for event in events] + found
        before = Place.parse(str(Place.of(events[0])))
    return found


def test_older_rows_stand_in_their_place_until_they_are_moved_and_then_too(
    task: Task, app: Flask, db: SQLAlchemy
) -> None:
    shown = pages(task, 100)

    assert shown[:2] + shown[4:] == ["first **word**", "by an agent", "C", "", "last word"]
    assert sorted(shown[2:4]) == ["A", "B"]
    assert pages(task, 1) == pages(task, 2) == pages(task, 3) == shown

    told = [app.test_cli_runner().invoke(args=["backfill-task-events"]).output for _ in range(2)]
    assert [line.split(" into ")[0] for line in told] == [
        "Moved 6 comments and outputs",
        "Moved 0 comments and outputs",
    ]
    moved = pages(task, 100)
    assert (sorted(moved), moved[:2], moved[-1]) == (sorted(shown), shown[:2], shown[-1])
    assert pages(task, 1) == pages(task, 4) == moved
    comment, output = (
        event for event in timeline.page(task.id, 9) if event.content in ("first **word**", "C")
    )
    assert (comment.event_type, comment.author, comment.meta) == ("comment", "ui", {})
    assert "<strong>word</strong>" in comment.content_html
    assert comment.created_at < task.created_at
    assert (output.event_type, output.author) == ("output_added", "bulma")
    assert output.meta == {"output_type": "file", "storage_path": "a/b.txt", "link_url": None}
    refs = db.session.scalars(select(TaskEvent.legacy_ref).where(TaskEvent.legacy_ref.is_not(None))).all()
    assert len(set(refs)) == 6
    assert db.session.scalar(select(func.count()).select_from(text("task_comments"))) == 3


def test_two_who_move_at_once_move_each_row_once(
    task: Task, app: Flask, db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "AT_ONCE", 2)
    db.session.remove()

    def move() -> int:
        with app.app_context():
            return backfill.run()

    with ThreadPoolExecutor(2) as pool:
        assert sum(moving.result() for moving in (pool.submit(move), pool.submit(move))) == 6
    assert len(timeline.page(task.id, 100)) == 7
    assert timeline.unmoved_tasks() == []


def test_a_moved_row_cannot_be_moved_again(task: Task, db: SQLAlchemy) -> None:
    """What holds two at once apart is the lock; this holds when it is left out."""
    backfill.run()
    moved = timeline.page(task.id, 1)[0]

    again = TaskEvent(project_id=task.project_id, task_id=task.id, seq=99, event_type="comment", author="ui",
                      legacy_ref=moved.legacy_ref)  # fmt: skip
    db.session.add(again)
    with pytest.raises(DBAPIError, match=r"(?i)unique"):
        db.session.flush()


@pytest.mark.parametrize("table", append_only.READ_ONLY)
def test_the_older_tables_are_only_read(task: Task, db: SQLAlchemy, table: str) -> None:
    for change in (
        f"UPDATE {table} SET project_id = NULL",
        f"DELETE FROM {table}",
        f"INSERT INTO {table} SELECT * FROM {table}",
    ):
        with pytest.raises(DBAPIError, match=r"is only read|permission denied"):
            db.session.execute(text(change))
        db.session.rollback()


@pytest.mark.parametrize(
    "place",
    ["", "7", "x~1~2", "2026-01-01T00:00:00.000000Z~-1~" + "0" * 32, "2026-01-01T00:00:00.000000Z~9999999999~"
     + "0" * 32, "0001-01-01T00:00:00.000000+14:00~1~" + "0" * 32],
)  # fmt: skip
@pytest.mark.databases("sqlite")
def test_what_is_no_place_is_none(place: str) -> None:
    assert Place.parse(place) is None
