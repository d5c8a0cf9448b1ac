"""The example of docs/api.md, as it stands there, answers a person through a real server."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from models import Delivery, Message, UserSession
from scripts.programs import ROOT
from tests import factories
from tests.realtime.wire import Page
from tests.support.live import Live
from tests.support.processes import Process, wait_until
from webapp.csrf import token_for

EXAMPLE = re.search(r"```python\n(.*?)```", (ROOT / "docs/api.md").read_text(), re.DOTALL)
LONGEST_LINE, LINES = 110, 25


@pytest.fixture
def example(live: Live, tmp_path: Path, project: Any) -> Iterator[Process]:
    """The program of the documentation, not started yet."""
    assert EXAMPLE
    (tmp_path / "example.py").write_text(EXAMPLE[1])
    token = factories.token(project, "agent", agent_key="faraway")[1]
    environ = {"TEAMROOM_URL": live.url, "TEAMROOM_TOKEN": token, "PYTHONUNBUFFERED": "1"}
    process = Process("example", [sys.executable, str(tmp_path / "example.py")], environ, tmp_path)
    yield process
    process.end()


@pytest.fixture
def project(db: SQLAlchemy) -> Any:
    project = factories.project()
    factories.agent(project, "faraway", runtime="external")
    return project


class Person:
    """A member with an open page."""

    def __init__(self, live: Live, app: Flask, project: Any, db: SQLAlchemy) -> None:
        session, self._secret = UserSession.start(factories.member(project), "127.0.0.1", "test")
        self._csrf, self._address = token_for(self._secret), f"{live.url}/api/threads/{project.room.id}"
        db.session.commit()  # all is read: from here on this process holds no lock
        live.start("web")
        live.wait_web()
        self.page = Page(live.url, (session.id, self._secret))
        self.page.follow(f"project:{project.id}")

    def say(self, text: str) -> Any:
        said = {"content": text, "client_id": text}
        cookies, headers = {"tr_sid": self._secret}, {"X-CSRF-Token": self._csrf}
        with httpx2.Client(cookies=cookies, headers=headers, timeout=10) as client:
            return client.post(f"{self._address}/messages", json=said).raise_for_status().json()

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """The rows of a table that the page is told of."""
        while True:
            for item in self.page.wait("changes")["items"]:
                if item["table"] == table:
                    yield item["row"]

    def answer(self) -> dict[str, Any]:
        messages = self.rows("project_chat_messages")
        return next(row for row in messages if row["author_kind"] == "agent")


def test_a_person_asks_it_and_sees_it_answer(
    live: Live, app: Flask, example: Process, project: Any, db: SQLAlchemy
) -> None:
    person = Person(live, app, project, db)
    example.start()
    statuses = (row["status"] for row in person.rows("agent_status"))
    assert next(statuses) == "idle", "it was offline until it asked for work"

    asked = person.say("@faraway hello there")

    pieces = [person.page.wait("delta") for _ in range(2)]
    answer = person.answer()
    assert "".join(piece["text"] for piece in pieces) == answer["content"] == "I have read 20 characters."
    assert [piece["offset"] for piece in pieces] == [0, 12]
    assert {piece["message_id"] for piece in pieces} == {answer["id"]}
    db.session.rollback()
    delivery = db.session.query(Delivery).one()
    assert (delivery.message_id, delivery.status) == (UUID(asked["id"]), "processed")
    assert db.session.get_one(Message, delivery.reply_id).thread_id == project.room.id


def test_what_was_said_before_it_came_is_answered_too(
    live: Live, app: Flask, example: Process, project: Any, db: SQLAlchemy
) -> None:
    person = Person(live, app, project, db)
    person.say("@faraway are you there?")

    example.start()

    assert person.answer()["content"] == "I have read 23 characters."
    live.web.stop()
    wait_until(lambda: "refused" in example.log.lower(), 10, "a failed claim")
    assert example.alive, "it asks again when the server is back"


def test_the_example_can_be_read_at_a_glance() -> None:
    assert EXAMPLE
    lines = EXAMPLE[1].splitlines()

    assert len(lines) <= LINES
    assert max(map(len, lines)) <= LONGEST_LINE
