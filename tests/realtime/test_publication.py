"""The commit hook numbers what a transaction changed: gapless, in commit order, nothing taken back."""

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete, event, insert, select, update
from sqlalchemy.orm import Session

from models import (
    Agent,
    AuthzEpoch,
    Draft,
    Message,
    Project,
    Reaction,
    Stream,
    StreamChange,
    Thread,
    Worker,
    db,
)
from models.base import changed_rows, touch
from models.posting import post
from realtime import publication
from realtime.publication import Committed, Unannounced, on_commit
from realtime.registry import PUBLISHED
from tests.realtime.world import World, statements
from tests.support.processes import ROOT

Line = tuple[int, str, str]


@pytest.fixture
def heard() -> Iterator[list[Committed]]:
    heard: list[Committed] = []
    deaf = on_commit(heard.append)
    yield heard
    deaf()


def lines(name: str, since: int = 0) -> list[Line]:
    """What the stream says: (seq, table, op)."""
    query = select(StreamChange).where(StreamChange.stream == name, StreamChange.seq > since)
    return [(c.seq, c.table, c.op) for c in db.session.scalars(query.order_by(StreamChange.seq))]


def head(name: str) -> int:
    return db.session.scalar(select(Stream.head).where(Stream.name == name)) or 0


def project_stream(world: World) -> str:
    return f"project:{world.project.id}"


def committed(world: World) -> list[tuple[str, str]]:
    """Commit, and say what that put on the project's stream."""
    at = head(project_stream(world))
    db.session.commit()
    return [(table, op) for _, table, op in lines(project_stream(world), at)]


def test_a_commit_says_what_it_inserted_changed_and_deleted(world: World) -> None:
    said = world.say("hello @jonas")
    reaction = Reaction(project_id=world.project.id, message_id=said.id, user_id=world.mara.id, emoji="👍")
    db.session.add(reaction)
    assert committed(world) == [("project_chat_messages", "insert"), ("reactions", "insert")]

    said.content = "changed"
    db.session.delete(reaction)
    assert sorted(committed(world)) == [("project_chat_messages", "update"), ("reactions", "delete")]


def test_changes_of_one_row_are_one_line(world: World) -> None:
    said = world.say("hello @jonas")
    db.session.flush()
    said.content = "changed"
    db.session.flush()
    touch(said)
    assert committed(world) == [("project_chat_messages", "insert")]

    said.react(world.mara, "👍")
    said.unreact(world.mara, "👍")
    assert committed(world) == [("project_chat_messages", "update")]


def test_only_a_column_that_is_shown_is_worth_a_line(world: World) -> None:
    world.room.agent_turns += 1
    assert committed(world) == []

    world.room.title = world.room.title
    assert committed(world) == []

    world.room.agent_turns += 1
    world.room.title = "Another"
    assert committed(world) == [("project_chat_threads", "update")]


def test_a_commit_without_changes_writes_nothing(world: World) -> None:
    with statements() as run:
        world.project.room.next_seq()
        db.session.commit()

    assert not [one for one in run if "streams" in one or "changes" in one]


def test_publishing_a_message_takes_two_statements(world: World) -> None:
    said = world.say("hello @trunks @bulma")
    db.session.flush()
    assert said.id
    with statements() as run:
        db.session.commit()

    assert [one.split(" (")[0] for one in run] == ["INSERT INTO streams", "INSERT INTO changes"]


def test_what_a_savepoint_took_back_is_not_said(world: World) -> None:
    world.say("before @jonas")
    savepoint = db.session.begin_nested()
    world.say("inside")
    touch(world.project)
    with db.session.begin_nested():
        world.say("deeper")
    savepoint.rollback()
    with db.session.begin_nested():
        world.say("after @jonas")

    assert committed(world) == [("project_chat_messages", "insert")] * 2
    assert db.session.scalars(select(Message.content).order_by(Message.seq)).all() == [
        "before @jonas",
        "after @jonas",
    ]


def test_the_control_of_savepoints_tells_of_rows_that_are_not_there(world: World) -> None:
    event.remove(Session, "after_soft_rollback", publication._drop)
    try:
        savepoint = db.session.begin_nested()
        touch(world.project)
        savepoint.rollback()
        assert committed(world) == [("projects", "update")]
    finally:
        event.listen(Session, "after_soft_rollback", publication._drop)


def test_rights_changed_before_a_savepoint_that_fails_still_move_the_epoch(world: World) -> None:
    epoch = AuthzEpoch.current()
    world.mara.join(world.project, "owner")
    world.jonas.memberships[0].change_role("viewer")
    db.session.flush()
    savepoint = db.session.begin_nested()
    world.say("inside")
    savepoint.rollback()
    db.session.commit()

    assert AuthzEpoch.current() == epoch + 1


def test_a_rollback_forgets_everything(world: World, heard: list[Committed]) -> None:
    world.say("never")
    db.session.flush()
    db.session.rollback()
    assert committed(world) == []

    world.say("never either")
    db.session.flush()
    db.session.close()
    assert committed(world) == []
    assert heard == []


def test_callbacks_hear_of_the_heads_and_of_work_that_waits(world: World, heard: list[Committed]) -> None:
    with db.session.begin_nested():
        world.say("hello @trunks")
    assert heard == []
    db.session.commit()

    [told] = heard
    assert told.heads == {project_stream(world): head(project_stream(world))}
    assert told.work


def test_a_failing_callback_harms_neither_the_commit_nor_the_others(
    world: World, heard: list[Committed], caplog: pytest.LogCaptureFixture
) -> None:
    def fails(told: Committed) -> None:
        raise OSError("no Redis")

    publication._callbacks.insert(0, fails)
    try:
        world.say("kept")
        db.session.commit()
    finally:
        publication._callbacks.remove(fails)

    assert len(heard) == 1
    assert "no Redis" in caplog.text
    db.session.rollback()
    assert db.session.scalars(select(Message.content)).all() == ["kept"]


def test_a_commit_that_fails_announces_nothing(world: World, heard: list[Committed]) -> None:
    def breaks(session: Session) -> None:
        raise OSError("the disk is full")

    world.say("lost")
    event.listen(Session, "before_commit", breaks)
    try:
        with pytest.raises(OSError, match="full"):
            db.session.commit()
    finally:
        event.remove(Session, "before_commit", breaks)
    db.session.rollback()

    assert heard == []
    assert db.session.scalars(select(Message)).all() == []
    assert committed(world) == []


@pytest.mark.parametrize(
    "statement",
    [
        update(Message).values(content="x"),
        delete(Reaction),
        insert(Project).values(key="sneaked", name="Sneaked in"),
        update(Thread.__table__).values(title="x"),
    ],
)
def test_a_bulk_statement_on_a_published_table_is_refused(world: World, statement: Any) -> None:
    with pytest.raises(Unannounced, match="touched=True"):
        db.session.execute(statement)


def test_a_bulk_statement_passes_when_it_says_so_or_is_private(world: World) -> None:
    assert changed_rows(update(Message).values(content="x")) == 0
    db.session.execute(delete(Worker))
    db.session.execute(select(Message))


def test_no_code_of_ours_changes_a_published_table_behind_the_hook() -> None:
    raw = re.compile(rf"\b(?:insert\s+into|update|delete\s+from)\s+({'|'.join(PUBLISHED)})\b", re.IGNORECASE)
    behind = re.compile(r"\.bulk_(?:save_objects|insert_mappings|update_mappings)\(")
    folders = ("models", "realtime", "agents", "queues", "webapp")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]

    found = [str(path) for path in sources if raw.search(path.read_text()) or behind.search(path.read_text())]

    assert sources
    assert raw.search("DELETE FROM reactions WHERE 1")
    assert found == []


WRITERS, POSTS = 4, 12


def test_concurrent_writers_leave_no_gap_and_keep_commit_order(world: World) -> None:
    stream, mara, room = project_stream(world), world.mara.id, world.room.id
    before = head(stream)
    db.session.rollback()
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            with world.app.app_context():
                for post_number in range(POSTS):
                    draft = Draft.of(mara, "many @jonas", f"w{number}-{post_number}")
                    post(db.session.get_one(Thread, room), draft)
                    if post_number % 4 == 3:
                        db.session.flush()
                        db.session.rollback()
                    else:
                        db.session.commit()
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []

    order = db.session.execute(
        select(StreamChange.seq, Message.seq)
        .join(Message, Message.id == StreamChange.row_id)
        .where(StreamChange.stream == stream, StreamChange.table == "project_chat_messages")
        .order_by(StreamChange.seq)
    ).all()
    assert [seq for seq, *_ in lines(stream)] == list(range(1, head(stream) + 1))
    assert head(stream) - before == len(lines(stream, before))
    assert len(order) == WRITERS * POSTS * 3 // 4
    assert [seq for _, seq in order] == list(range(1, len(order) + 1))


def test_commits_on_several_streams_do_not_wait_crosswise(world: World) -> None:
    """Both commits touch two projects' streams, in opposite order of their changes."""
    other = Project.create("other", "Other")
    db.session.commit()
    ids = [world.project.id, other.id]
    failures: list[BaseException] = []

    def provision(order: list[Any], key: str) -> None:
        try:
            with world.app.app_context():
                for number in range(8):
                    for project_id in order:
                        Agent.provision(project_id, f"{key}{number}", key)
                    db.session.commit()
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [
        threading.Thread(target=provision, args=(ids, "a")),
        threading.Thread(target=provision, args=(ids[::-1], "b")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    for project_id in ids:
        name = f"project:{project_id}"
        assert [seq for seq, *_ in lines(name)] == list(range(1, head(name) + 1))


def test_many_changes_in_one_commit_are_all_numbered(world: World) -> None:
    before = head(project_stream(world))
    many = publication.ROWS_AT_ONCE + 7
    db.session.add_all(
        Thread(project_id=world.project.id, title=f"Room {number}", kind="room") for number in range(many)
    )
    db.session.commit()

    assert len(lines(project_stream(world), before)) == many
