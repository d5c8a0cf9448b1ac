"""A task: numbered in its project, made by a person's own act or an approval; its timeline only grows."""

import pytest
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from models import Message, Project, Task, TaskEvent, append_only, labs
from models.errors import Conflict
from models.markup import render
from models.message import Draft
from models.posting import post
from models.task import LONGEST_TITLE, UI
from tests.models.conftest import Room


def test_promoting_links_both_ways(room: Room, db: SQLAlchemy) -> None:
    message = room.say("@bulma The disk is full.\n\nPlease look.")
    task = Task.promote(message, room.jonas)
    db.session.commit()

    assert (task.number, task.title, task.status, task.source) == (
        1, "@bulma The disk is full.", "pending", "message",
    )  # fmt: skip
    assert (task.description, task.assignee_agent_key) == (message.content, "bulma")
    assert task.message_id == message.id
    assert message.meta["task"] == 1
    [event] = task.events(10)
    assert (event.seq, event.event_type, event.author, event.user_id) == (1, "created", UI, room.jonas.id)


def test_a_message_becomes_one_task(room: Room, db: SQLAlchemy) -> None:
    message = room.say("hello")

    assert Task.promote(message, room.jonas) is Task.promote(message, room.mara)
    assert db.session.query(Task).count() == 1


def test_while_tasks_are_off_none_is_made(room: Room) -> None:
    labs.write(room.project.id, {"task_threads": False})

    with pytest.raises(Conflict, match="switched off"):
        Task.promote(room.say("hello"), room.jonas)


def test_what_an_agent_wrote_can_be_promoted_by_a_person(room: Room) -> None:
    said = post(room.thread, Draft.of(None, "the disk is full", "c", agent_key="trunks"))

    assert Task.promote(said, room.jonas).assignee_agent_key is None


@pytest.mark.parametrize("kind", ["task_proposal", "action_proposal", "system"])
def test_only_text_is_promoted(room: Room, db: SQLAlchemy, kind: str) -> None:
    message = room.say("hello")
    message.message_type = kind
    db.session.flush()

    with pytest.raises(Conflict):
        Task.promote(message, room.jonas)


def test_a_deleted_message_is_not_promoted(room: Room) -> None:
    message = room.say("hello")
    message.delete(room.mara)

    with pytest.raises(Conflict):
        Task.promote(message, room.jonas)


@pytest.mark.parametrize(
    ("content", "title"),
    [
        ("# The disk\n\nis full", "The disk"),
        ("\n\n- first\n- second", "first"),
        ("x" * 500, "x" * (LONGEST_TITLE - 1) + "…"),
        ("###", "###"),
    ],
)
def test_the_title_is_the_first_line_that_says_something(room: Room, content: str, title: str) -> None:
    assert Task.promote(room.say(content), room.mara).title == title


def test_each_project_counts_for_itself(room: Room, db: SQLAlchemy) -> None:
    other = Project.create("second", "Second")
    db.session.flush()
    labs.write(other.id, {"task_threads": True})
    theirs = post(other.room, Draft.of(room.mara.id, "theirs", "c1"))
    made = [Task.promote(message, room.mara) for message in (room.say("a"), theirs, room.say("b"))]

    assert [task.number for task in made] == [1, 1, 2]


def test_a_number_that_somebody_took_meanwhile_is_not_taken_twice(
    room: Room, db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Task.promote(room.say("a"), room.mara)
    asked = iter([0, 1])
    real = db.session.scalar

    def late(query: object, *more: object, **options: object) -> object:
        """The first look came before the other's commit."""
        return next(asked) if "max(tasks.number)" in str(query) else real(query, *more, **options)

    monkeypatch.setattr(db.session, "scalar", late)

    assert Task.promote(room.say("b"), room.mara).number == first.number + 1


def test_the_timeline_only_grows(room: Room, db: SQLAlchemy) -> None:
    task = Task.promote(room.say("a"), room.mara)
    task.record("noted", "bulma", "so far")
    db.session.commit()

    assert [event.seq for event in task.events(10)] == [1, 2]
    assert task.last_seq == 2
    for change in ("UPDATE task_events SET content = 'x'", "DELETE FROM task_events"):
        with pytest.raises(DBAPIError, match=r"only grows|permission denied"):
            db.session.execute(text(change))
        db.session.rollback()
    assert "task_events" in append_only.TABLES
    assert db.session.scalars(select(TaskEvent.content).where(TaskEvent.seq == 2)).one() == "so far"


@pytest.mark.databases("sqlite")
def test_without_the_triggers_the_timeline_can_be_changed(room: Room, db: SQLAlchemy) -> None:
    """The control: it is the triggers that refuse."""
    Task.promote(room.say("a"), room.mara)
    db.session.commit()
    for name in append_only.names("sqlite"):
        db.session.execute(text(f"DROP TRIGGER {name}"))

    db.session.execute(text("UPDATE task_events SET content = 'x'"))
    assert db.session.scalars(select(TaskEvent.content)).all() == ["x"]
    db.session.execute(text("DELETE FROM task_events"))
    assert db.session.scalars(select(TaskEvent)).all() == []


def test_a_comment_is_said_once_for_each_client_id(room: Room, db: SQLAlchemy) -> None:
    task, other = (Task.promote(room.say(word), room.mara) for word in "ab")
    first = task.comment(room.mara, "look", render("look"), "c1")

    assert task.comment(room.mara, "look", render("look"), "c1") is first
    with pytest.raises(Conflict) as refused:
        task.comment(room.mara, "else", render("else"), "c1")
    assert list(refused.value.fields) == ["client_id"]
    assert task.comment(room.jonas, "mine", render("mine"), "c1").seq == 3
    assert other.comment(room.mara, "else", render("else"), "c1").seq == 2
    assert [event.content for event in task.events(10)] == ["", "look", "mine"]
    assert [event.seq for event in task.events(1)] == [3]


@pytest.mark.parametrize("source", ["proposal", "message"])
def test_the_database_refuses_a_task_from_nowhere(room: Room, db: SQLAlchemy, source: str) -> None:
    task = Task(project_id=room.project.id, number=1, title="x", source=source)
    db.session.add(task)

    with pytest.raises(IntegrityError):
        db.session.flush()


def test_a_long_message_is_promoted_whole(room: Room, db: SQLAlchemy) -> None:
    message = room.say("word " * 3000)
    task = Task.promote(message, room.mara)
    db.session.commit()

    assert task.description == db.session.get_one(Message, message.id).content
