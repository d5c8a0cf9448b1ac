"""What happens at every message must cost the same in an old room as in a new one: no table is read whole.

SQLite says how it will find the rows. Its planner knows no sizes here, so what it does in a small
database it also does in a large one.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event, select, tuple_

from models.base import reading, utcnow
from models.delivery import Delivery
from models.message import Answer, Message
from models.user import User
from queues import deliveries, pruning
from queues.sweeper import Sweeper
from queues.watchdog import Watchdog
from realtime import streams
from realtime.pump import Pump
from tests import factories

pytestmark = pytest.mark.databases("sqlite")

GROWING = (
    "project_chat_messages",
    "reactions",
    "chat_delivery_queue",
    "changes",
    "thread_reads",
    "audit_log",
    "proposals",
    "approvals",
    "runs",
    "tasks",
    "task_events",
    "brain_doc_versions",
    "attachments",
    "attachment_pieces",
)


class Plans:
    """The statements of a block of code that read a growing table from its beginning."""

    def __init__(self, db: SQLAlchemy) -> None:
        self._db = db
        self.whole: list[str] = []

    @contextmanager
    def watched(self) -> Iterator[None]:
        said: list[tuple[str, Any]] = []

        def note(connection: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
            said.append((statement, parameters))

        event.listen(self._db.engine, "before_cursor_execute", note)
        try:
            yield
        finally:
            event.remove(self._db.engine, "before_cursor_execute", note)
        self._db.session.remove()
        self.whole += [statement for statement, given in said if self._reads_whole(statement, given)]

    def _reads_whole(self, statement: str, given: Any) -> bool:
        if statement.lstrip()[:6].upper() not in ("SELECT", "UPDATE", "DELETE"):
            return False
        connection = self._db.engine.raw_connection()
        try:
            plan = connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", given).fetchall()
        finally:
            connection.close()
        steps = [step for *_, step in plan]
        return any(
            step.startswith("SCAN") and step.split()[1] in GROWING and "INDEX" not in step for step in steps
        )


@pytest.fixture
def plans(db: SQLAlchemy) -> Plans:
    return Plans(db)


@pytest.fixture
def say(app: Flask, db: SQLAlchemy) -> Callable[..., Any]:
    """Post as a page does; the first post makes the project, and warms what is asked only once."""
    project = factories.project()
    factories.agent(project, "bulma")
    client = factories.signed_in(app, factories.member(project, "owner", "Mara"))
    room = project.room
    db.session.commit()

    def post(content: str = "@bulma hello", **more: Any) -> Any:
        body = {"content": content, "client_id": str(uuid.uuid4()), **more}
        answer = client.post(f"/api/threads/{room.id}/messages", json=body)
        assert answer.status_code in (200, 201), answer.get_data(as_text=True)
        return answer.get_json()

    post.client, post.project, post.room = client, project, room  # type: ignore[attr-defined]
    post()
    return post


def test_posting(say: Any, plans: Plans) -> None:
    first = say(client_id="once")

    with plans.watched():
        say(reply_to=first["id"])
        say("@bulma hello", client_id="once")

    assert plans.whole == []


def test_files(say: Any, plans: Plans) -> None:
    def given() -> str:
        file_id = str(uuid.uuid4())
        address = f"/api/threads/{say.room.id}/attachments/{file_id}?name=a.txt"
        assert say.client.put(address, data=b"x").status_code == 200
        return file_id

    with plans.watched():
        file_id = given()
        message = say("", attachments=[file_id])
        assert say.client.get(f"/api/attachments/{file_id}").data == b"x"
        assert say.client.delete(f"/api/messages/{message['id']}").status_code == 200
        assert say.client.delete(f"/api/attachments/{given()}").status_code == 204
        pruning.prune_files(utcnow())

    assert plans.whole == []


def test_opening_and_paging(say: Any, plans: Plans) -> None:
    thread = f"/api/threads/{say.room.id}/messages"
    with plans.watched():
        assert say.client.get(f"/{say.project.key}/chat").status_code == 200
        for place in ("", "?before=2", "?after=0", "?around=1"):
            assert say.client.get(thread + place).status_code == 200
        assert say.client.put(f"/api/threads/{say.room.id}/read", json={"seq": 1}).status_code == 200

    assert plans.whole == []


def test_following_a_stream(say: Any, plans: Plans) -> None:
    name = f"project:{say.project.id}"
    since = streams.head(name) - 1
    with plans.watched():
        missed = streams.catch_up(name, since)

    assert missed["items"]
    assert plans.whole == []


def test_pushing_what_was_posted(app: Flask, say: Any, plans: Plans) -> None:
    name, sent = f"project:{say.project.id}", []
    pump = Pump(app, lambda event, packet, stream: sent.append(packet), lambda: [name])
    pump.turn()
    say()
    with plans.watched():
        pump.turn()

    assert sent[-1]["items"]
    assert plans.whole == []


def test_answering(say: Any, plans: Plans, db: SQLAlchemy) -> None:
    with plans.watched():
        claimed, *others = deliveries.claim(16)
        db.session.commit()
        with reading():
            deliveries.prepare([claimed, *others])
            db.session.rollback()
        deliveries.keep([claimed.token], {claimed.token: "so far"}, [])
        deliveries.finish(claimed, Answer.of("the answer"), {})
        db.session.commit()

    assert db.session.get_one(Delivery, claimed.id).status == "processed"
    assert plans.whole == []


def test_an_external_agent(app: Flask, say: Any, plans: Plans, db: SQLAlchemy) -> None:
    factories.agent(say.project, "faraway", runtime="external")
    token = factories.token(say.project, "agent", agent_key="faraway")[1]
    db.session.commit()
    program = factories.bearer(app, token)
    say("@faraway hello")

    with plans.watched():
        work = program.post("/api/agent/claim", json={}).get_json()
        address = f"/api/agent/deliveries/{work['delivery_id']}"
        for verb, said in (("progress", {"text": "so far", "offset": 0}), ("finish", {})):
            assert program.post(f"{address}/{verb}", json={"attempt": 1, **said}).status_code == 200
        assert program.post("/api/agent/claim", json={}).status_code == 204

    assert plans.whole == []


def test_looking_after_deliveries(say: Any, plans: Plans) -> None:
    with plans.watched():
        Watchdog(120).watch()
        Sweeper().sweep()

    assert plans.whole == []


def test_proposing_and_deciding(say: Any, plans: Plans, db: SQLAlchemy) -> None:
    trunks = factories.agent(say.project, "trunks")
    with plans.watched():
        made = factories.proposal(say.room, trunks)
        db.session.commit()
        for asked in ("", "?status=proposed", f"?before={made.id}"):
            assert say.client.get(f"/api/proposals{asked}").status_code == 200
        address = f"/api/proposals/{made.id}"
        for verb in ("later", "approve"):
            assert say.client.post(f"{address}/{verb}", json={"digest": made.digest}).status_code < 300

    assert plans.whole == []


def test_finding_tasks(say: Any, plans: Plans, db: SQLAlchemy) -> None:
    project, said = say.project, say()
    assert say.client.post(f"/api/messages/{said['id']}/task").status_code == 201
    with plans.watched():
        for asked in ("", "?status=all&view=board", "?status=pending&before=2&q=hello&tag=a&priority=low"):
            assert say.client.get(f"/{project.key}/tasks{asked}").status_code == 200

    assert plans.whole == []


def test_documents_and_their_history(say: Any, plans: Plans, db: SQLAlchemy) -> None:
    owner = db.session.scalars(select(User).where(User.name == "Mara")).one()
    for content in ("one", "two"):
        made = factories.doc(say.project, owner, content)
    db.session.commit()
    address = f"/{say.project.key}/knowledge"
    with plans.watched():
        factories.doc(say.project, owner, "three")
        db.session.commit()
        for path in ("", f"/{made.name}", f"/{made.name}/edit", f"/{made.name}/history?old=1&new=2&before=3"):
            assert say.client.get(address + path).status_code == 200

    assert plans.whole == []


def test_an_audit_and_its_page(say: Any, plans: Plans, db: SQLAlchemy) -> None:
    owner = db.session.scalars(select(User).where(User.name == "Mara")).one()
    factories.audited(say.project, owner, factories.finding())
    db.session.commit()
    with plans.watched():
        factories.audited(say.project, owner, factories.finding(), factories.finding("b.md"))
        factories.audited(say.project, owner, factories.finding("b.md"))
        db.session.commit()
        assert say.client.get(f"/{say.project.key}/tasks/qa-audit").status_code == 200

    assert plans.whole == []


def test_the_audit_page(say: Any, plans: Plans) -> None:
    address = f"/{say.project.key}/settings/audit"
    with plans.watched():
        for asked in (
            "",
            "?action=a&subject=b&actor=operator",
            "?since=2026-01-01&until=2030-01-01",
            "?before=9",
        ):
            assert say.client.get(address + asked).status_code == 200
            assert say.client.get(f"{address}/export{asked}").status_code == 200

    assert plans.whole == []


def test_who_decides_no_more_is_found(say: Any, plans: Plans, db: SQLAlchemy) -> None:
    somebody = factories.membership(say.project, role="operator")
    with plans.watched():
        somebody.change_role("viewer")
        db.session.commit()

    assert plans.whole == []


def test_a_table_read_whole_is_found(say: Any, plans: Plans, db: SQLAlchemy) -> None:
    pairs = tuple_(Message.user_id, Message.client_id).in_([(uuid.uuid4(), "a"), (uuid.uuid4(), "b")])
    with plans.watched():
        db.session.scalars(select(Message).where(pairs)).all()

    assert len(plans.whole) == 1
