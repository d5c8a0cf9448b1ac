"""What a page may not follow or do stands in the audit log, once for each person and thing."""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.audit import AuditEntry
from models.base import db, new_id
from models.labs import write as write_labs
from models.project import Project
from tests.realtime.conftest import House


def test_a_refused_event_is_written_down_once(house: House) -> None:
    project, elsewhere = house.project(), house.project("elsewhere")
    viewer = house.person(project, "viewer")
    with house.inside():
        write_labs(project, {"team_room": True})
        room = str(db.session.get_one(Project, project).room.id)
    page = house.page(house.web(), house.session(viewer), f"project:{project}")
    asked = [
        ("subscribe", {"stream": f"project:{elsewhere}", "since": 0}, "not_found"),
        ("subscribe", {"stream": f"admin:{project}", "since": 0}, "not_found"),
        ("subscribe", {"stream": f"user:{new_id()}", "since": 0}, "not_found"),
        ("typing", {"thread_id": room}, "forbidden"),
        ("subscribe", {"stream": f"project:{new_id()}", "since": 0}, "not_found"),  # there is none
        ("typing", {"thread_id": str(new_id())}, "not_found"),
    ]

    for event, payload, code in asked * 2:
        assert page.ask(event, payload)["error"]["code"] == code

    assert refused(house) == [
        (f"person:{viewer}", elsewhere, f"subscribe project:{elsewhere}"),
        (f"person:{viewer}", project, f"subscribe admin:{project}"),
        (f"person:{viewer}", None, f"subscribe {asked[2][1]['stream']}"),
        (f"person:{viewer}", None, "typing"),
    ]


def test_an_event_of_another_shape_is_answered_too(house: House) -> None:
    project = house.project()
    page = house.page(house.web(), house.session(house.person(project)), f"project:{project}")

    for number, said in enumerate(('["typing",{},{}]', "[7]", '["typing",[]]'), start=50):
        page.send(f"42{number}{said}")
        assert page.answer(number)["error"]["code"] == "invalid"


def refused(house: House) -> list[tuple[str, UUID | None, str]]:
    with house.inside():
        entries: Any = db.session.scalars(select(AuditEntry).order_by(AuditEntry.seq)).all()
        return [
            (each.actor, each.project_id, each.subject) for each in entries if each.action == "access.refused"
        ]
