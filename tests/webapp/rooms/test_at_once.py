"""Two clicks, two tabs, two programs at the same moment: one of them is second, and none is an error."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy

from models import AttachmentPiece, Delivery, Draft, Message, Reaction, Thread, ThreadRead
from models.errors import Invalid
from models.message import Answer
from models.posting import post
from tests import factories
from tests.webapp.rooms.conftest import House

AT_ONCE = 8


def statuses(db: SQLAlchemy, house: House, ask: Callable[[FlaskClient, int], Any]) -> list[int]:
    """What each of eight tabs of one person is answered that asks at the same time."""
    browsers = [house.browser(house.mara) for _ in range(AT_ONCE)]
    db.session.commit()
    start = Barrier(AT_ONCE)

    def go(number: int) -> int:
        start.wait()
        return int(ask(browsers[number], number).status_code)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(go, range(AT_ONCE)))


def test_the_first_read_mark(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    for _ in range(AT_ONCE):
        house.post(mara)
    address = f"/api/threads/{house.thread.id}/read"

    found = statuses(db, house, lambda client, n: client.put(address, json={"seq": n + 1}))

    assert found == [200] * AT_ONCE
    assert db.session.query(ThreadRead).one().read_seq == AT_ONCE


def test_the_same_reaction(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    address = f"/api/messages/{house.post(mara).get_json()['id']}/reactions/👍"

    found = statuses(db, house, lambda client, n: client.put(address))

    assert found == [204] * AT_ONCE
    assert db.session.query(Reaction).count() == 1


def test_the_same_delivery(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    message = house.post(mara, "look").get_json()
    body = {"message_id": message["id"], "target_agent_key": "bulma", "message": "look"}

    found = statuses(db, house, lambda client, n: client.post("/api/chat/deliver", json=body))

    assert found == [200] * AT_ONCE
    assert db.session.query(Delivery).filter_by(target_agent_key="bulma").count() == 1


def test_the_same_new_message(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    address = f"/api/threads/{house.thread.id}/messages"
    body = {"content": "once", "client_id": "same"}

    found = statuses(db, house, lambda client, n: client.post(address, json=body))

    assert sorted(found) == [200] * (AT_ONCE - 1) + [201]
    assert db.session.query(Message).count() == 1


def test_the_same_file(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    address = f"/api/threads/{house.thread.id}/attachments/{uuid4()}?name=a.txt"

    found = statuses(db, house, lambda client, n: client.put(address, data=b"x"))

    assert found == [200] * AT_ONCE
    assert db.session.query(AttachmentPiece).count() == 1


def test_one_file_in_several_messages(house: House, db: SQLAlchemy) -> None:
    """As web processes do that share nothing but the database."""
    file_id = factories.attachment(house.thread, house.mara)
    thread_id, mara_id = house.thread.id, house.mara.id
    db.session.commit()
    start = Barrier(AT_ONCE)

    def go(number: int) -> bool:
        with house.app.app_context():
            start.wait()
            try:
                draft = Draft.of(mara_id, "", f"c{number}", attachments=[file_id])
                post(db.session.get_one(Thread, thread_id), draft)
            except Invalid:
                return False
            db.session.commit()
            return True

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert sum(pool.map(go, range(AT_ONCE))) == 1
    assert db.session.query(Message).count() == 1


def test_the_same_new_message_with_a_file(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    """As web processes do that share nothing but the database."""
    file_id = factories.attachment(house.thread, house.mara)
    thread_id, mara_id = house.thread.id, house.mara.id
    db.session.commit()
    start = Barrier(AT_ONCE)

    def go(number: int) -> str:
        with house.app.app_context():
            draft = Draft.of(mara_id, "", "the same", attachments=[file_id])
            start.wait()
            message = post(db.session.get_one(Thread, thread_id), draft)
            db.session.commit()
            return str(message.id)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = set(pool.map(go, range(AT_ONCE)))
    [message] = db.session.query(Message)
    assert found == {str(message.id)}


def test_retry(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    house.post(mara, "@bulma hello")
    delivery = db.session.query(Delivery).one()
    delivery.fail("no answer")
    address = f"/api/deliveries/{delivery.id}/retry"

    found = statuses(db, house, lambda client, n: client.post(address))

    assert sorted(found) == [200] + [409] * (AT_ONCE - 1)


def test_regenerate(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    house.post(mara, "@bulma hello")
    delivery = db.session.query(Delivery).one()
    delivery.take()
    delivery.finish(delivery.lease_token or "", Answer.of("Here."), {})
    address = f"/api/deliveries/{delivery.id}/regenerate"

    found = statuses(db, house, lambda client, n: client.post(address))

    assert sorted(found) == [200] + [409] * (AT_ONCE - 1)


def test_deleting_and_asking_again(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    message = f"/api/messages/{house.post(mara, '@bulma hello').get_json()['id']}"
    delivery = db.session.query(Delivery).one()
    delivery.take()
    delivery.finish(delivery.lease_token or "", Answer.of("Here."), {})
    again = f"/api/deliveries/{delivery.id}/regenerate"

    found = statuses(
        db, house, lambda client, n: client.delete(message) if n == AT_ONCE - 1 else client.post(again)
    )

    db.session.expire_all()
    assert found[-1] == 200
    assert delivery.status == "processed", "nobody answers what was deleted"


def test_deleting_and_reacting(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    message = f"/api/messages/{house.post(mara, '@bulma hello').get_json()['id']}"

    def ask(client: FlaskClient, number: int) -> Any:
        return client.delete(message) if number == 0 else client.put(f"{message}/reactions/👍")

    found = statuses(db, house, ask)

    assert found[0] == 200
    assert set(found[1:]) <= {204, 409}
