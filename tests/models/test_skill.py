"""The mirror of skills: it becomes what was found, and never goes back in time."""

from datetime import timedelta
from typing import Any

import pytest
from flask_sqlalchemy import SQLAlchemy

from models import ExecutorRequest, Project, Skill, Worker, labs
from models.base import changed_rows, db_now, new_id, utcnow
from models.errors import Conflict, Invalid
from models.skill import configuration, configure
from tests import factories


@pytest.fixture
def project(db: SQLAlchemy) -> Project:
    made = factories.project("oasis")
    db.session.commit()
    return made


def found(key: str, status: str = "ready") -> dict[str, Any]:
    return {
        "source": "shipped",
        "path": f"skills/{key}",
        "key": key,
        "name": key,
        "description": "Does something.",
        "revision": "b" * 64,
        "status": status,
        "missing": {},
        "reasons": [],
        "setup_steps": [],
        "warnings": [],
        "checked_on": "there",
    }


def statuses(project: Project, db: SQLAlchemy) -> dict[str, str]:
    db.session.commit()
    db.session.expire_all()
    return {skill.key: skill.status for skill in Skill.of_project(project.id)}


def test_it_becomes_what_was_found_and_what_stays_keeps_its_id(project: Project, db: SQLAlchemy) -> None:
    other = factories.skill(factories.project(), "gone")
    assert Skill.mirror(project.id, [found("a"), found("gone")], utcnow())
    db.session.flush()
    before = {skill.key: skill.id for skill in Skill.of_project(project.id)}

    assert Skill.mirror(project.id, [found("b"), found("a", "needs_setup")], utcnow())

    assert statuses(project, db) == {"a": "needs_setup", "b": "ready"}
    assert {skill.key: skill.id for skill in Skill.of_project(project.id)}["a"] == before["a"]
    assert db.session.get(Skill, other.id), "another project's"


def test_what_was_read_earlier_changes_nothing(project: Project, db: SQLAlchemy) -> None:
    now = utcnow()
    assert Skill.mirror(project.id, [found("a")], now)

    assert not Skill.mirror(project.id, [found("a", "blocked")], now - timedelta(seconds=1))

    assert statuses(project, db) == {"a": "ready"}


def test_nobody_asks_while_the_flag_is_off(project: Project) -> None:
    labs.write(project.id, {"skills": False})

    with pytest.raises(Conflict):
        Skill.ask_for(project.id, None)


def test_a_worker_that_begins_asks_for_every_project_that_has_skills(
    project: Project, db: SQLAlchemy
) -> None:
    off, archived = factories.project(labs=False), factories.project()
    archived.archive()

    assert Skill.ask_for_all() == 1

    [request] = db.session.query(ExecutorRequest).all()
    assert (request.project_id, request.kind, request.queue) == (project.id, "skill_check", "runs")
    assert off.id != project.id


def test_a_check_does_not_wait_for_an_executor_that_is_away(project: Project, db: SQLAlchemy) -> None:
    """Other requests age only while somebody could take them."""
    check = Skill.ask_for(project.id, None)
    other = ExecutorRequest.ask(project.id, "agent_provision", {}, None)
    db.session.commit()

    assert ExecutorRequest.age() == 1
    db.session.refresh(check)
    db.session.refresh(other)
    assert check.aging_since is not None
    assert other.aging_since is None

    db.session.add(Worker(id=new_id(), queue="chat", host="here", pid=1, slots=1, seen_at=db_now()))
    db.session.commit()
    assert ExecutorRequest.age() == 1
    changed_rows(Worker.__table__.delete())
    assert ExecutorRequest.age() == 1
    db.session.refresh(check)
    assert check.aging_since is not None


def test_each_queue_has_its_own_requests(project: Project, db: SQLAlchemy) -> None:
    check = Skill.ask_for(project.id, None)
    other = ExecutorRequest.ask(project.id, "doc_edit", {}, None)
    db.session.commit()

    assert (ExecutorRequest.waiting("runs"), ExecutorRequest.waiting("chat")) == ([check.id], [other.id])


def test_what_is_configured_is_one_tree(project: Project, db: SQLAlchemy) -> None:
    for path, value in (("a.b", 1), ("a.c", "x"), ("d", True), ("a.b", None), ("e.f.g", None)):
        configure(project.id, path, value)
        db.session.commit()
        db.session.expire_all()

    assert configuration(project.id) == {"a": {"c": "x"}, "d": True}
    configure(project.id, "a.c", None)
    assert configuration(project.id) == {"d": True}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("", 1),
        ("a..b", 1),
        (".a", 1),
        ("a.b.c.d.e.f.g.h.i", 1),
        ("a" * 2001, 1),
        ("a", [1]),
        ("a", "x" * 2001),
    ],
)
def test_what_cannot_be_configured_is_refused(project: Project, path: str, value: object) -> None:
    with pytest.raises(Invalid):
        configure(project.id, path, value)
