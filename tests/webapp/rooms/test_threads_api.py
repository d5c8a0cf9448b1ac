"""Paging, read marks, deliveries, agents and health over HTTP."""

from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy

from models import AuditEntry, Delivery, ExecutorRequest, Message, Worker
from models.message import Answer
from models.thread import BREAKER_TURNS
from realtime import tickets
from tests import factories
from tests.webapp.rooms.conftest import House


class TestPaging:
    @pytest.fixture(autouse=True)
    def twelve_messages(self, house: House, mara: FlaskClient) -> None:
        for number in range(1, 13):
            house.post(mara, f"number {number}")

    @pytest.mark.parametrize(
        ("window", "expected", "has_before", "has_after"),
        [
            ({}, range(1, 13), False, False),
            ({"limit": 5}, range(8, 13), True, False),
            ({"before": 8, "limit": 5}, range(3, 8), True, True),
            ({"before": 4, "limit": 5}, range(1, 4), False, True),
            ({"before": 1}, [], False, True),
            ({"after": 3, "limit": 5}, range(4, 9), True, True),
            ({"after": 9, "limit": 5}, range(10, 13), True, False),
            ({"after": 12}, [], True, False),
            ({"after": 0, "limit": 3}, range(1, 4), False, True),
            ({"around": 6, "limit": 4}, range(4, 8), True, True),
            ({"around": 6, "limit": 1}, [6], True, True),
            ({"around": 1, "limit": 4}, range(1, 5), False, True),
            ({"around": 99, "limit": 4}, [11, 12], True, False),
            ({"before": 2**53 - 1, "limit": 2}, [11, 12], True, False),
            ({"after": 2**53 - 1}, [], True, False),
        ],
    )
    def test_pages_go_by_seq(
        self,
        house: House,
        mara: FlaskClient,
        window: dict[str, int],
        expected: Any,
        has_before: bool,
        has_after: bool,
    ) -> None:
        page = mara.get(f"/api/threads/{house.thread.id}/messages", query_string=window).get_json()

        assert [message["seq"] for message in page["messages"]] == list(expected)
        assert (page["has_before"], page["has_after"]) == (has_before, has_after)
        assert (page["first"], page["last"]) == ((expected[0], expected[-1]) if expected else (None, None))

    def test_a_message_is_given_as_row_and_as_html(self, house: House, mara: FlaskClient) -> None:
        page = mara.get(f"/api/threads/{house.thread.id}/messages?limit=1").get_json()

        [message] = page["messages"]
        assert message["row"]["content"] == "number 12"
        assert f'id="message_{message["id"]}"' in message["html"]

    @pytest.mark.databases("sqlite")
    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("before=x", "before"),
            ("after=-1", "after"),
            ("around=", "around"),
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=many", "limit"),
            ("before=2&after=3", "before"),
        ],
    )
    def test_a_bad_window_is_named(self, house: House, mara: FlaskClient, query: str, field: str) -> None:
        answer = mara.get(f"/api/threads/{house.thread.id}/messages?{query}")

        assert answer.status_code == 422
        assert list(answer.get_json()["error"]["fields"]) == [field]


def test_an_empty_room_has_an_empty_page(house: House, mara: FlaskClient) -> None:
    page = mara.get(f"/api/threads/{house.thread.id}/messages").get_json()

    assert page == {"messages": [], "first": None, "last": None, "has_before": False, "has_after": False}


def test_the_threads_of_a_project_can_be_found(house: House, mara: FlaskClient) -> None:
    [room] = mara.get(f"/api/projects/{house.project.id}/threads").get_json()["threads"]

    assert (room["id"], room["title"], room["kind"]) == (str(house.thread.id), "Team Room", "room")


class TestReadMarks:
    def mark(self, house: House, client: FlaskClient, seq: Any) -> Any:
        return client.put(f"/api/threads/{house.thread.id}/read", json={"seq": seq})

    def test_it_only_moves_forward_and_never_past_the_end(self, house: House, mara: FlaskClient) -> None:
        for _ in range(3):
            house.post(mara)

        marks = [self.mark(house, mara, seq).get_json()["read_seq"] for seq in (2, 1, 99)]

        assert marks == [2, 2, 3]

    def test_a_viewer_has_one_too(self, house: House, mara: FlaskClient) -> None:
        house.post(mara)

        assert self.mark(house, house.newcomer("viewer"), 1).get_json()["read_seq"] == 1

    @pytest.mark.parametrize("seq", ["1", 1.5, True, -1, None, 2**40, [], {}])
    def test_only_a_place_in_the_thread(self, house: House, mara: FlaskClient, seq: Any) -> None:
        answer = self.mark(house, mara, seq)

        assert answer.status_code == 422
        assert list(answer.get_json()["error"]["fields"]) == ["seq"]

    def test_a_person_mutes_a_thread_and_his_mark_stays(self, house: House, mara: FlaskClient) -> None:
        house.post(mara)
        self.mark(house, mara, 1)
        page, address = f"/{house.project.key}/chat", f"/api/threads/{house.thread.id}/mute"

        answer = mara.put(address, json={"muted": True}).get_json()

        assert (answer["read_seq"], answer["muted"]) == (1, True)
        assert f'id="muted">["{house.thread.id}"]' in mara.get(page).text
        assert 'id="muted">[]' in house.browser(house.jonas).get(page).text
        assert mara.put(address, json={"muted": False}).get_json()["muted"] is False
        assert 'id="muted">[]' in mara.get(page).text
        assert mara.put(address, json={"muted": "yes"}).status_code == 422

    def test_an_agent_has_none(self, house: House) -> None:
        program = factories.bearer(house.app, factories.token(house.project, "agent")[1])

        assert self.mark(house, program, 1).status_code == 403


class TestDeliveries:
    @pytest.fixture
    def delivery(self, house: House, mara: FlaskClient, db: SQLAlchemy) -> Delivery:
        house.post(mara, "@bulma hello")
        return db.session.query(Delivery).one()

    def test_a_failed_one_is_queued_again(self, house: House, jonas: FlaskClient, delivery: Delivery) -> None:
        delivery.fail("no answer")

        answer = jonas.post(f"/api/deliveries/{delivery.id}/retry")

        assert answer.status_code == 200
        assert answer.get_json()["status"] == delivery.status == "queued"

    def test_an_answered_one_is_queued_again(
        self, house: House, jonas: FlaskClient, delivery: Delivery
    ) -> None:
        delivery.take()
        delivery.finish(delivery.lease_token or "", Answer.of("Here."), {})
        said = delivery.reply_id

        answer = jonas.post(f"/api/deliveries/{delivery.id}/regenerate")

        assert answer.status_code == 200
        assert answer.get_json()["status"] == delivery.status == "queued"
        assert answer.get_json()["reply_id"] == str(delivery.reply_id) != str(said)
        assert "Another answer was asked for by Jonas Weber" in jonas.get(f"/{house.project.key}/chat").text

    @pytest.mark.parametrize("verb", ["retry", "regenerate"])
    def test_another_one_is_not(self, verb: str, house: House, mara: FlaskClient, delivery: Delivery) -> None:
        answer = mara.post(f"/api/deliveries/{delivery.id}/{verb}")

        assert answer.status_code == 409
        assert answer.get_json()["row"]["status"] == "queued"

    def test_a_waiting_one_is_stopped_at_once(
        self, house: House, jonas: FlaskClient, delivery: Delivery
    ) -> None:
        answer = jonas.post(f"/api/deliveries/{delivery.id}/stop")

        assert answer.get_json()["status"] == "processed"
        assert answer.get_json()["result"] == {"stopped_by": "Jonas Weber"}
        assert jonas.post(f"/api/deliveries/{delivery.id}/stop").status_code == 409

    def test_a_running_one_is_asked_to_stop(
        self, house: House, mara: FlaskClient, delivery: Delivery
    ) -> None:
        delivery.take()

        answer = mara.post(f"/api/deliveries/{delivery.id}/stop")

        assert (answer.get_json()["status"], answer.get_json()["desired_status"]) == ("delivered", "stopped")

    def test_a_viewer_does_neither(self, house: House, delivery: Delivery) -> None:
        viewer = house.newcomer("viewer")

        for verb in ("retry", "regenerate", "stop"):
            assert viewer.post(f"/api/deliveries/{delivery.id}/{verb}").status_code == 403

    def test_the_text_so_far_is_given_while_it_is_written(
        self, house: House, mara: FlaskClient, delivery: Delivery
    ) -> None:
        delivery.take()
        Delivery.progress(delivery.lease_token or "", "So far")

        answer = mara.get(f"/api/messages/{delivery.reply_id}/partial")

        assert answer.get_json() == {"offset": 0, "text": "So far", "delivery_id": str(delivery.id)}

        delivery.finish(delivery.lease_token or "", Answer.of("So far, so good"), {})
        after = mara.get(f"/api/messages/{delivery.reply_id}/partial")
        assert (after.status_code, after.get_json()["text"]) == (200, None)  # no error: a page may ask late


class TestBreaker:
    @pytest.fixture(autouse=True)
    def paused(self, house: House, db: SQLAlchemy) -> None:
        program = factories.bearer(house.app, factories.token(house.project, "agent")[1])
        for _ in range(BREAKER_TURNS + 1):
            house.post(program, "@trunks your turn")
        assert house.thread.paused_at

    def test_continue_delivers_what_was_held(self, house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
        answer = mara.post(f"/api/threads/{house.thread.id}/continue")

        assert answer.get_json()["paused_at"] is None
        assert db.session.query(Delivery).count() == BREAKER_TURNS + 1
        assert mara.post(f"/api/threads/{house.thread.id}/continue").status_code == 409

    def test_stop_drops_it(self, house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
        assert mara.post(f"/api/threads/{house.thread.id}/halt").status_code == 200

        assert db.session.query(Delivery).count() == BREAKER_TURNS
        assert house.thread.paused_at is None

    def test_an_operator_decides(self, house: House, jonas: FlaskClient) -> None:
        for verb in ("continue", "halt"):
            assert jonas.post(f"/api/threads/{house.thread.id}/{verb}").status_code == 403


class TestAgents:
    def provision(self, house: House, client: FlaskClient, **changes: Any) -> Any:
        body = {"key": "gohan", "name": "Gohan", "persona": "Calm."} | changes
        return client.post(f"/api/projects/{house.project.id}/agents", json=body)

    def test_a_new_agent_is_asked_for(self, house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
        answer = self.provision(house, mara)

        assert answer.status_code == 202
        request = db.session.query(ExecutorRequest).one()
        assert answer.get_json() == {"mode": "backup", "request_id": str(request.id)}
        assert (request.kind, request.status, request.requested_by) == (
            "agent_provision",
            "queued",
            house.mara.id,
        )
        assert request.payload["persona"] == "Calm."
        assert db.session.query(AuditEntry).filter_by(action="agent.requested").count() == 1

    def test_with_a_worker_it_is_direct(self, house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
        db.session.add(Worker(queue="chat", host="here", pid=1, slots=4))

        assert self.provision(house, mara).get_json()["mode"] == "direct"

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"key": ""}, "key"),
            ({"key": "Gohan"}, "key"),
            ({"key": "all"}, "key"),
            ({"key": "ui"}, "key"),
            ({"key": "dashboard"}, "key"),
            ({"key": "x" * 33}, "key"),
            ({"key": 7}, "key"),
            ({"name": ""}, "name"),
            ({"name": "x" * 81}, "name"),
            ({"name": "nul\0"}, "name"),
            ({"persona": "x" * 8001}, "persona"),
            ({"model": "x" * 81}, "model"),
            ({"runtime": "moon"}, "runtime"),
            ({"budgets": {}}, "budgets"),
        ],
    )
    def test_bad_input_is_named_at_its_field(
        self, house: House, mara: FlaskClient, db: SQLAlchemy, changes: dict[str, Any], field: str
    ) -> None:
        answer = self.provision(house, mara, **changes)

        assert answer.status_code == 422
        assert list(answer.get_json()["error"]["fields"]) == [field]
        assert db.session.query(ExecutorRequest).count() == 0

    def test_a_key_is_given_once(self, house: House, mara: FlaskClient) -> None:
        answer = self.provision(house, mara, key="bulma")

        assert answer.status_code == 409
        assert answer.get_json()["error"]["fields"] == {"key": ["is taken"]}

    def test_a_member_asks_for_none(self, house: House, jonas: FlaskClient) -> None:
        assert self.provision(house, jonas).status_code == 403
        assert jonas.patch(f"/api/agents/{house.bulma.id}", json={"name": "B"}).status_code == 403

    def test_an_operator_edits_one(self, house: House, db: SQLAlchemy) -> None:
        operator = house.newcomer("operator")

        answer = operator.patch(f"/api/agents/{house.bulma.id}", json={"name": "Dr. Bulma", "model": "m"})

        assert answer.status_code == 200
        assert (answer.get_json()["name"], answer.get_json()["status"]) == ("Dr. Bulma", "idle")
        assert (house.bulma.name, house.bulma.model) == ("Dr. Bulma", "m")
        assert db.session.query(AuditEntry).filter_by(action="agent.edited").one().detail == {
            "fields": ["model", "name"]
        }

    @pytest.mark.parametrize(
        ("change", "field"), [({"name": ""}, "name"), ({"key": "x"}, "key"), ({"persona": None}, "persona")]
    )
    def test_a_bad_edit_changes_nothing(
        self, house: House, mara: FlaskClient, change: dict[str, Any], field: str
    ) -> None:
        answer = mara.patch(f"/api/agents/{house.bulma.id}", json=change)

        assert answer.status_code == 422
        assert list(answer.get_json()["error"]["fields"]) == [field]

    def test_they_are_listed_with_what_they_do(self, house: House, mara: FlaskClient) -> None:
        house.trunks.state.say("writing")

        agents = mara.get(f"/api/projects/{house.project.id}/agents").get_json()["agents"]

        assert [(agent["key"], agent["status"]) for agent in agents] == [
            ("bulma", "idle"),
            ("trunks", "writing"),
        ]


class TestHealth:
    def test_backup_without_a_worker(self, house: House, mara: FlaskClient) -> None:
        health = mara.get("/api/health").get_json()

        assert health["mode"] == "backup"
        assert health["executor"]["healthy"] is False
        assert health["last_ok_at"] is None

    def test_live_with_one(self, house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
        db.session.add(Worker(queue="chat", host="here", pid=1, slots=4))

        health = mara.get("/api/health").get_json()

        assert health["mode"] == "live"
        assert health["executor"]["free_slots"] == 4

    def test_only_for_people_who_signed_in(self, house: House, client: FlaskClient) -> None:
        assert client.get("/api/health").status_code == 401


class TestTickets:
    def test_a_ticket_is_good_for_this_session(self, house: House, db: SQLAlchemy) -> None:
        browser = house.app.test_client()
        session = factories.sign_in(browser, house.mara)

        ticket = browser.post("/api/socket/ticket").get_json()["ticket"]

        secret = house.app.config["SECRET_KEY"]
        assert tickets.redeem(secret, ticket, session.id)
        assert not tickets.redeem(secret, ticket, uuid4())

    def test_a_token_gets_none(self, house: House) -> None:
        program = factories.bearer(house.app, factories.token(house.project, who=house.mara)[1])

        assert program.post("/api/socket/ticket").status_code == 403


def test_status_of_a_mention_follows_reading(
    house: House, mara: FlaskClient, jonas: FlaskClient, db: SQLAlchemy
) -> None:
    house.post(mara, f"@{house.jonas.handle} lunch?")

    jonas.put(f"/api/threads/{house.thread.id}/read", json={"seq": 1})

    assert db.session.query(Message).one().status == "read"
