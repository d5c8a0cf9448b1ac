"""People's edits of documents: written by the executor when it is there, or refused with a reason."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from models import BrainDoc, BrainDocVersion, ExecutorRequest, db, labs
from models.user import Membership
from tests.queues.conftest import Running
from tests.queues.crew import Crew
from tests.queues.test_requests import ended

Start = Callable[..., Running]


@pytest.fixture
def crew(crew: Crew) -> Crew:
    labs.write(crew.project.id, {"knowledge": True})
    membership = Membership.of(crew.project.id, crew.jonas.id)
    assert membership
    membership.change_role("operator")
    db.session.commit()
    return crew


def ask(crew: Crew, content: str, base: str | None = None, by: Any = None) -> UUID:
    who = (by or crew.mara).id
    request = BrainDoc.ask_for(crew.project.id, "trunks", "runbook", content, base, who)
    db.session.commit()
    return request.id


def doc(crew: Crew) -> BrainDoc:
    found = BrainDoc.find(crew.project.id, "trunks", "runbook")
    assert found
    db.session.rollback()
    return found


def test_what_a_person_asked_for_is_written(crew: Crew, start: Start) -> None:
    request_id = ask(crew, "Restart it.")

    start([])

    request = ended(request_id)
    assert request.status == "processed"
    written = doc(crew)
    assert (written.content, written.user_id, written.version) == ("Restart it.", crew.mara.id, 1)
    assert request.result == {"doc_id": str(written.id), "version": 1, "digest": written.digest}


def test_of_two_who_wrote_on_the_same_text_the_second_is_told(crew: Crew, start: Start) -> None:
    first, second = ask(crew, "Mine."), ask(crew, "His.", by=crew.jonas)

    start([])

    assert ended(first).status == "processed"
    refused = ended(second)
    assert refused.status == "failed"
    assert (refused.result or {})["reason"].startswith("Mara Lindqvist wrote version 1 at ")
    assert refused.payload["content"] == "His."
    assert doc(crew).content == "Mine."


def test_who_lost_the_role_while_it_waited_writes_nothing(crew: Crew, start: Start) -> None:
    request_id = ask(crew, "Restart it.", by=crew.jonas)
    membership = Membership.of(crew.project.id, crew.jonas.id)
    assert membership
    membership.change_role("member")
    db.session.commit()

    start([])

    assert ended(request_id).result == {"reason": "your role may not do this"}
    assert db.session.scalars(select(BrainDocVersion)).all() == []


def test_a_request_of_nobody_writes_nothing(crew: Crew, start: Start) -> None:
    payload = {"agent_key": "trunks", "doc_type": "runbook", "content": "x", "base_digest": None}
    request = ExecutorRequest.ask(crew.project.id, "doc_edit", payload, None)
    db.session.commit()

    start([])

    assert ended(request.id).result == {"reason": "nobody asked for this"}
