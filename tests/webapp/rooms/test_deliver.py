"""`POST /api/chat/deliver`, literally."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from werkzeug.test import TestResponse

from models import Delivery, Message, Worker
from models.thread import BREAKER_TURNS
from tests import factories
from tests.webapp.rooms.conftest import House


def deliver(client: FlaskClient, **changes: Any) -> TestResponse:
    body = {"message_id": "m1", "target_agent_key": "bulma", "message": "please look"} | changes
    return client.post("/api/chat/deliver", json=body)


def test_a_new_message_is_posted_and_delivered_to_that_agent(
    house: House, mara: FlaskClient, db: SQLAlchemy
) -> None:
    answer = deliver(mara, message="@trunks said hello")

    assert answer.status_code == 200
    delivery = db.session.query(Delivery).one()
    assert answer.get_json() == {"mode": "backup", "delivery_id": str(delivery.id)}
    assert (delivery.target_agent_key, delivery.status) == ("bulma", "queued")
    assert delivery.message.thread_id == house.thread.id
    assert delivery.message.target_agent_key == "bulma"


def test_the_mode_is_direct_while_a_worker_is_alive(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    db.session.add(Worker(queue="chat", host="here", pid=1, slots=4))

    assert deliver(mara).get_json()["mode"] == "direct"


def test_an_external_agent_is_its_own_executor(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    db.session.add(Worker(queue="chat", host="here", pid=1, slots=4))
    agent = factories.agent(house.project, "faraway", runtime="external")
    db.session.commit()
    assert deliver(mara, target_agent_key="faraway").get_json()["mode"] == "backup", "it never asked"

    agent.state.poll()
    db.session.commit()
    assert deliver(mara, target_agent_key="faraway").get_json()["mode"] == "direct"

    db.session.refresh(agent.state)
    agent.state.last_seen_at -= timedelta(minutes=5)
    assert deliver(mara, target_agent_key="faraway").get_json()["mode"] == "backup"


def test_a_repeat_is_harmless(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    first = deliver(mara)

    assert deliver(mara).get_json() == first.get_json()
    assert db.session.query(Message).count() == 1


def test_another_text_under_the_same_id_is_a_conflict(house: House, mara: FlaskClient) -> None:
    deliver(mara)

    assert deliver(mara, message="something else").status_code == 409


def test_a_message_that_exists_goes_to_one_more_agent(
    house: House, mara: FlaskClient, jonas: FlaskClient, db: SQLAlchemy
) -> None:
    message = house.post(jonas, "@trunks please look").get_json()
    known = {"message_id": message["id"], "message": "@trunks please look"}

    first, again = deliver(mara, **known), deliver(mara, **known)

    assert first.get_json() == again.get_json()
    assert {d.target_agent_key for d in db.session.query(Delivery)} == {"bulma", "trunks"}
    assert deliver(mara, **known | {"message": "else"}).status_code == 409


def test_the_same_id_goes_to_a_second_agent(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    deliver(mara)

    assert deliver(mara, target_agent_key="trunks").status_code == 200

    assert db.session.query(Message).count() == 1
    assert db.session.query(Delivery).count() == 2


def test_what_the_composer_posted_can_be_named_by_its_client_id(
    house: House, mara: FlaskClient, db: SQLAlchemy
) -> None:
    house.post(mara, "please look", client_id="m1")

    assert deliver(mara).status_code == 200

    assert db.session.query(Message).count() == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"target_agent_key": "ghost"}, "target_agent_key"),
        ({"target_agent_key": "all"}, "target_agent_key"),
        ({"target_agent_key": ""}, "target_agent_key"),
        ({"target_agent_key": 7}, "target_agent_key"),
        ({"message": ""}, "message"),
        ({"message": "nul\0"}, "message"),
        ({"message": "x" * 20_000}, "message"),
        ({"message": None}, "message"),
        ({"message_id": ""}, "message_id"),
        ({"message_id": "x" * 65}, "message_id"),
        ({"message_id": 7}, "message_id"),
        ({"project_id": "oasis"}, "project_id"),
        ({"more": 1}, "more"),
    ],
)
def test_bad_input_is_named_at_its_field(
    house: House, mara: FlaskClient, db: SQLAlchemy, body: dict[str, Any], field: str
) -> None:
    answer = deliver(mara, **body)

    assert answer.status_code == 422
    assert list(answer.get_json()["error"]["fields"]) == [field]
    assert db.session.query(Message).count() == 0


def test_the_id_of_a_foreign_message_is_just_an_id(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    other = factories.project()
    stranger = factories.signed_in(house.app, factories.member(other))
    theirs = stranger.post(
        f"/api/threads/{other.room.id}/messages", json={"content": "secret", "client_id": "x"}
    ).get_json()

    answer = deliver(mara, message_id=theirs["id"])

    assert answer.status_code == 200
    made = db.session.get_one(Delivery, UUID(answer.get_json()["delivery_id"])).message
    assert (made.project_id, made.client_id) == (house.project.id, theirs["id"])


def test_an_id_that_was_used_for_another_text_is_named_as_it_was_sent(
    house: House, mara: FlaskClient
) -> None:
    deliver(mara, message_id="mine", message="one")

    answer = deliver(mara, message_id="mine", message="another")

    assert answer.status_code == 409
    assert list(answer.get_json()["error"]["fields"]) == ["message_id"]


def test_a_viewer_delivers_nothing(house: House) -> None:
    assert deliver(house.newcomer("viewer")).status_code == 403


def test_the_room_is_that_of_the_project_used_last_or_named(
    house: House, mara: FlaskClient, db: SQLAlchemy
) -> None:
    other = factories.project("other")
    factories.membership(other, house.mara)
    factories.agent(other, "bulma")

    mara.get(f"/{house.project.key}/chat")
    deliver(mara, message_id="a")
    mara.get(f"/{other.key}/chat")
    deliver(mara, message_id="b")
    deliver(mara, message_id="c", project_id=str(house.project.id))
    refused = deliver(mara, message_id="d", project_id=str(uuid4()))

    rooms = [m.project_id for m in db.session.query(Message).order_by(Message.client_id)]
    assert rooms == [house.project.id, other.id, house.project.id]
    assert refused.status_code == 404


def test_a_deleted_message_is_not_delivered(house: House, mara: FlaskClient) -> None:
    message = house.post(mara, "oops").get_json()
    mara.delete(f"/api/messages/{message['id']}")

    assert deliver(mara, message_id=message["id"], message="oops").status_code == 409


def test_an_agent_delivers_with_its_token(house: House, db: SQLAlchemy) -> None:
    program = factories.bearer(house.app, factories.token(house.project, "agent")[1])

    answer = deliver(program, target_agent_key="trunks", message="your turn")

    assert answer.status_code == 200
    assert db.session.query(Delivery).one().target_agent_key == "trunks"


def test_agents_that_only_call_each_other_are_held(house: House, db: SQLAlchemy) -> None:
    program = factories.bearer(house.app, factories.token(house.project, "agent")[1])

    answers = [deliver(program, target_agent_key="trunks", message_id=f"m{n}") for n in range(7)]

    assert [answer.status_code for answer in answers] == [200] * 6 + [409]
    assert house.thread.paused_at

    again = [deliver(program, target_agent_key="trunks", message_id="m6") for _ in range(2)]
    assert [answer.status_code for answer in again] == [409, 409]
    assert db.session.query(Delivery).count() == 6
    held = db.session.query(Message).where(Message.client_id == "m6").one()
    assert held.meta["held"] == ["trunks"]
    assert deliver(program, target_agent_key="trunks", message_id="m5").status_code == 200


def test_an_agent_takes_a_turn_for_each_agent_that_it_names_a_message_to(
    house: House, mara: FlaskClient, db: SQLAlchemy
) -> None:
    """Whether it is its own or a person's, by whatever id: else the breaker would be passed by."""
    program = factories.bearer(house.app, factories.token(house.project, "agent")[1])
    said = house.post(mara, "@jonas lunch?").get_json()
    answers = [
        deliver(program, message_id="m1", target_agent_key="trunks"),
        deliver(program, message_id=said["id"], message="@jonas lunch?", target_agent_key="trunks"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    db.session.refresh(house.thread)
    assert house.thread.agent_turns == 2
    house.thread.agent_turns = BREAKER_TURNS
    factories.agent(house.project, "krillin")
    db.session.commit()

    assert deliver(program, message_id="m1", target_agent_key="krillin").status_code == 409
    late = deliver(program, message_id=said["id"], message="@jonas lunch?", target_agent_key="krillin")

    assert late.status_code == 409
    assert db.session.query(Delivery).where(Delivery.target_agent_key == "krillin").count() == 0


def test_an_agent_does_not_deliver_to_itself(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    program = factories.bearer(house.app, factories.token(house.project, "agent")[1])

    answers = [deliver(program, target_agent_key="bulma") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert db.session.query(Message).count() == 0
    said = house.post(mara, "@trunks hello").get_json()
    again = deliver(program, message_id=said["id"], message="@trunks hello", target_agent_key="bulma")
    assert again.status_code == 409
    assert [d.target_agent_key for d in db.session.query(Delivery)] == ["trunks"]
