"""The list of tasks: what fits a filter, by status; and one change of many, each with its own outcome."""

from datetime import timedelta

import pytest
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select

from models import Draft, Task, labs
from models.audit import AuditEntry
from models.base import new_id, utcnow
from models.errors import Conflict, Invalid
from models.posting import post
from models.task_change import Change, change_all
from models.task_list import ALL, Filter, Tab, TaskList, open_by_tab
from tests import factories
from tests.models.conftest import Room


def made(room: Room, text: str, status: str = "pending", **fields: object) -> Task:
    task = Task.promote(room.say(text), room.mara)
    for name, value in {"status": status, **fields}.items():
        setattr(task, name, value)
    return task


def numbers(room: Room, before: int | None = None, limit: int = 200, **wanted: str) -> dict[str, list[int]]:
    """What is shown of each status that has anything."""
    columns = TaskList(room.project.id, Filter(**wanted)).columns(limit, before)
    return {one.status: [task.number for task in one.tasks] for one in columns if one.count}


def test_completed_shows_only_to_who_asks_for_it_or_for_all(room: Room) -> None:
    for status in ("pending", "completed", "failed", "pending"):
        made(room, status, status)

    assert numbers(room) == {"pending": [4, 1], "failed": [3]}
    assert numbers(room, status="completed") == {"completed": [2]}
    assert numbers(room, status=ALL) == {"pending": [4, 1], "completed": [2], "failed": [3]}
    counts = TaskList(room.project.id, Filter()).counts
    assert (counts["completed"], counts["pending"], counts["review"]) == (1, 2, 0)


def test_each_status_has_its_share_and_one_alone_is_paged_by_number(room: Room) -> None:
    for _ in range(5):
        made(room, "again")

    assert numbers(room, limit=14) == {"pending": [5, 4]}
    assert numbers(room, limit=2, status="pending") == {"pending": [5, 4]}
    assert numbers(room, 4, limit=2, status="pending") == {"pending": [3, 2]}
    assert numbers(room, 2, limit=2, status="pending") == {"pending": [1]}
    [column] = TaskList(room.project.id, Filter("pending")).columns(2)
    assert column.count == 5


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("DISK", [3, 2, 1]),
        ("100%", [2]),
        ("50_000", [3]),
        ("5/6", [1]),
        ("everything", [1]),
        ("#2", [2]),
        ("3", [3]),
        ("9999999999", []),
        ("²", []),
        ("'; drop", []),
    ],
)
def test_a_search_looks_at_number_title_and_description_to_the_letter(
    room: Room, asked: str, found: list[int]
) -> None:
    for text in ("Disk 5/6 is full\n\nof everything", "Disk at 100%", "Disk holds 50_000 files"):
        made(room, text)
    for text in ("Disc 1000", "50x000 or 556"):
        made(room, text, "completed")

    assert numbers(room, text=asked).get("pending", []) == found


def test_priority_agent_and_tag_are_each_to_fit(room: Room) -> None:
    made(room, "a", priority="high", tags=["tls", "größe"])
    made(room, "b", priority="high", assignee_agent_key="bulma", tags=["tls-old", "a_b"])
    made(room, "c", tags=["axb"])

    assert numbers(room, priority="high") == {"pending": [2, 1]}
    assert numbers(room, priority="high", agent="bulma") == {"pending": [2]}
    assert [numbers(room, tag=tag) for tag in ("tls", "größe", "a_b", "ls")] == [
        {"pending": [1]}, {"pending": [1]}, {"pending": [2]}, {},
    ]  # fmt: skip


def test_another_projects_tasks_are_never_in_it(room: Room) -> None:
    theirs = factories.project("second")
    labs.write(theirs.id, {"task_threads": True})
    Task.promote(post(theirs.room, Draft.of(room.mara.id, "theirs", "c1")), room.mara)

    for subject, priority in (("a.md", "high"), ("b.md", "low")):
        Task.from_finding(theirs.id, factories.finding(subject, priority=priority), "ui", room.mara.id)

    assert numbers(room, status=ALL) == numbers(room, text="theirs") == numbers(room, text="1") == {}
    assert set(open_by_tab(room.project.id).values()) == {Tab(0, False)}
    there = {tab: (of.open, of.grave) for tab, of in open_by_tab(theirs.id, "my-audit").items() if of.open}
    assert there == {"": (3, False), "qa-audit": (2, True)}


def test_a_person_says_how_urgent_it_is_and_what_it_is_about(room: Room, db: SQLAlchemy) -> None:
    task = made(room, "a")
    task.edit(room.mara, priority="high", tags=[" TLS ", "backups", "tls"], agent_key="bulma")
    task.edit(room.mara, priority="high")
    db.session.commit()

    assert (task.priority, task.tags, task.assignee_agent_key) == ("high", ["backups", "tls"], "bulma")
    [entry] = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "task.edited"))
    assert entry.detail["before"] == {"priority": "normal", "tags": [], "assignee_agent_key": "trunks"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"priority": "most"},
        {"tags": ['a"b']},
        {"tags": ["x" * 33]},
        {"tags": [" "]},
        {"tags": list("abcdefghijk")},
        {"add_tags": ['a"b']},
        {"add_tags": list("abcdefghijk")},
        {"agent_key": "nobody"},
    ],
)
def test_what_cannot_be_said_of_a_task_is_refused(room: Room, wrong: dict[str, object]) -> None:
    task = made(room, "a")
    [field] = wrong

    with pytest.raises(Invalid) as refused:
        task.edit(room.mara, **wrong)  # type: ignore[arg-type]
    assert list(refused.value.fields) == ["assignee_agent_key" if field == "agent_key" else field]


def test_what_an_agent_plans_or_has_planned_stays_with_it(room: Room) -> None:
    task = made(room, "a")

    for at, why in ((utcnow() + timedelta(hours=1), "a time is chosen for its plan"), (None, "is planning")):
        task.request_plan(room.mara, at=at)
        with pytest.raises(Conflict, match=f"{why}.* stays with its agent"):
            task.edit(room.mara, agent_key="bulma")
    with pytest.raises(Conflict, match="is failed stays with its agent"):
        made(room, "b", "failed").edit(room.mara, agent_key="bulma")

    task.stop_planning(room.mara)
    task.edit(room.mara, agent_key="bulma")
    assert task.assignee_agent_key == "bulma", "the control: nobody plans it any more"


def test_many_are_changed_and_each_has_its_outcome(room: Room, db: SQLAlchemy) -> None:
    open_one, ended, last = made(room, "a"), made(room, "b", "completed"), made(room, "c")
    other = factories.project("second")
    labs.write(other.id, {"task_threads": True})
    theirs = Task.promote(post(other.room, Draft.of(room.mara.id, "theirs", "c1")), room.mara)
    db.session.commit()

    ids = [last.id, ended.id, theirs.id, open_one.id, last.id, unknown := new_id()]
    outcomes = change_all(room.project.id, ids, Change(cancel=True), room.mara)
    db.session.commit()

    assert [(one.id, one.error.code if one.error else None) for one in outcomes] == [
        (last.id, None), (ended.id, "conflict"), (theirs.id, "not_found"), (open_one.id, None),
        (unknown, "not_found"),
    ]  # fmt: skip
    assert [task.status for task in (open_one, ended, last, theirs)] == [
        "cancelled", "completed", "cancelled", "pending",
    ]  # fmt: skip
    logged = db.session.scalars(select(AuditEntry.subject).where(AuditEntry.action == "task.cancelled"))
    assert sorted(logged) == ["task 1", "task 3"]


def test_tags_are_added_to_what_is_there(room: Room, db: SQLAlchemy) -> None:
    full, free = made(room, "a", tags=list("abcdefghij")), made(room, "b", tags=["old"])
    db.session.commit()
    change = Change(priority="low", add_tags=["New", "old"])

    outcomes = change_all(room.project.id, [full.id, free.id], change, room.mara)
    db.session.commit()

    assert [one.error.fields if one.error else None for one in outcomes] == [
        {"add_tags": ["must be 10 at most"]}, None,
    ]  # fmt: skip
    assert (full.priority, full.tags) == ("normal", list("abcdefghij"))
    assert (free.priority, free.tags) == ("low", ["new", "old"])
