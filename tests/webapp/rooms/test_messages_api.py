"""What comes in through the posting door."""

from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy

from models import Delivery, Message
from models.message import LONGEST
from tests import factories
from tests.webapp.rooms.conftest import House


def test_a_message_is_answered_with_its_row(house: House, mara: FlaskClient) -> None:
    answer = house.post(mara, "hello **you**", client_id="mine")

    assert answer.status_code == 201
    row = answer.get_json()
    assert row["seq"] == 1
    assert row["content"] == "hello **you**"
    assert row["user_id"] == str(house.mara.id)
    assert (row["client_id"], row["status"], row["message_type"]) == ("mine", "sent", "text")


def test_a_repeat_gives_the_first_answer_again(house: House, mara: FlaskClient) -> None:
    first = house.post(mara, "once", client_id="a")

    again = house.post(mara, "once", client_id="a")

    assert again.status_code == 200
    assert again.get_json() == first.get_json()
    assert house.thread.last_seq == 1


def test_the_same_client_id_with_another_text_is_a_conflict(house: House, mara: FlaskClient) -> None:
    house.post(mara, "once", client_id="a")

    answer = house.post(mara, "twice", client_id="a")

    assert answer.status_code == 409
    assert "client_id" in answer.get_json()["error"]["fields"]


def test_messages_are_numbered_in_the_order_of_their_answers(
    house: House, mara: FlaskClient, jonas: FlaskClient
) -> None:
    seqs = [house.post(client).get_json()["seq"] for client in (mara, jonas, mara)]

    assert seqs == [1, 2, 3]


def test_a_reply_quotes_a_message_of_the_thread(house: House, mara: FlaskClient, jonas: FlaskClient) -> None:
    question = house.post(mara, "lunch?").get_json()

    reply = house.post(jonas, "yes", reply_to=question["id"])

    assert reply.get_json()["reply_to"] == question["id"]


NUL = "nul\0"
TOO_LONG = "x" * (LONGEST + 1)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"content": ""}, "content"),
        ({"content": " \n\t "}, "content"),
        ({"content": NUL}, "content"),
        ({"content": "half \ud800"}, "content"),
        ({"content": TOO_LONG}, "content"),
        ({"content": "@bulma " * 100_000}, "content"),
        ({"content": None}, "content"),
        ({"content": 7}, "content"),
        ({"content": ["a"]}, "content"),
        ({"content": {"a": "b"}}, "content"),
        ({"client_id": ""}, "client_id"),
        ({"client_id": "x" * 65}, "client_id"),
        ({"client_id": 7}, "client_id"),
        ({"client_id": NUL}, "client_id"),
        ({"client_id": None}, "client_id"),
        ({"reply_to": "somewhere"}, "reply_to"),
        ({"reply_to": 7}, "reply_to"),
        ({"reply_to": str(uuid4())}, "reply_to"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_bad_input_is_named_at_its_field(
    house: House, mara: FlaskClient, body: dict[str, Any], field: str
) -> None:
    answer = house.post(mara, **{"content": "fine", **body})

    assert answer.status_code == 422
    assert list(answer.get_json()["error"]["fields"]) == [field]
    assert house.thread.last_seq == 0


@pytest.mark.parametrize("missing", ["content", "client_id"])
def test_what_is_missing_is_named(house: House, mara: FlaskClient, missing: str) -> None:
    body = {"content": "hello", "client_id": "a"}
    del body[missing]

    answer = mara.post(f"/api/threads/{house.thread.id}/messages", json=body)

    assert answer.status_code == 422
    assert missing in answer.get_json()["error"]["fields"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"[]", 422),
        (b'"text"', 422),
        (b'{"content": NaN, "client_id": "a"}', 400),
        (b'{"content": "a", "content": "b", "client_id": "a"}', 400),
        (b'{"content": "\xff", "client_id": "a"}', 400),
        (b"[" * 100_000, 400),
        (b'{"content": "' + b"x" * (1 << 20) + b'", "client_id": "a"}', 413),
    ],
)
def test_a_body_that_is_no_message_is_refused(
    house: House, mara: FlaskClient, data: bytes, status: int
) -> None:
    address = f"/api/threads/{house.thread.id}/messages"

    answer = mara.post(address, data=data, content_type="application/json")

    assert answer.status_code == status
    assert answer.get_json()["error"]["message"]


@pytest.mark.parametrize(
    "content",
    [
        "\u202eright to left\u202c and back",
        "**never closed `nor this [or](that",
        "> " * 500,
        "[" * 5000,
        "*" * 5000,
        "| a | b |\n|---|\n" * 200,
        "```" + "x" * 10_000,
        "@bulma " * 2000,
        "\u0301" * 3000,
        "🧑‍🚀" * 1000,
    ],
)
def test_odd_text_is_taken_and_shown(house: House, mara: FlaskClient, content: str) -> None:
    assert house.post(mara, content).status_code == 201

    shown = mara.get(f"/{house.project.key}/chat")

    assert shown.status_code == 200


def test_a_foreign_thread_looks_like_a_missing_one(house: House, mara: FlaskClient) -> None:
    foreign = factories.project().room
    body = {"content": "hello", "client_id": "a"}

    answers = [
        mara.post(f"/api/threads/{thread_id}/messages", json=body) for thread_id in (foreign.id, uuid4())
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].get_json() == answers[1].get_json()
    assert foreign.last_seq == 0


def test_a_message_of_another_project_cannot_be_quoted(house: House, mara: FlaskClient) -> None:
    other = factories.project()
    factories.membership(other, house.mara)
    theirs = mara.post(
        f"/api/threads/{other.room.id}/messages", json={"content": "there", "client_id": "x"}
    ).get_json()

    answer = house.post(mara, "here", reply_to=theirs["id"])

    assert answer.status_code == 422
    assert "reply_to" in answer.get_json()["error"]["fields"]


def test_a_viewer_reads_but_does_not_post(house: House) -> None:
    viewer = house.newcomer("viewer")

    assert house.post(viewer).status_code == 403
    assert viewer.get(f"/api/threads/{house.thread.id}/messages").status_code == 200


def test_a_visitor_is_asked_to_sign_in(house: House, client: FlaskClient) -> None:
    assert house.post(client).status_code == 401


def test_without_its_flag_the_room_is_not_there(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    from models import labs

    message = house.post(mara, "@bulma hello").get_json()
    delivery = db.session.query(Delivery).one()
    labs.write(house.project.id, {"team_room": False})

    for method, address in [
        ("GET", f"/{house.project.key}/chat"),
        ("GET", f"/api/threads/{house.thread.id}/messages"),
        ("GET", f"/api/projects/{house.project.id}/threads"),
        ("DELETE", f"/api/messages/{message['id']}"),
        ("PUT", f"/api/messages/{message['id']}/reactions/👍"),
        ("POST", f"/api/deliveries/{delivery.id}/stop"),
    ]:
        assert mara.open(address, method=method).status_code == 404, address
    assert house.post(mara).status_code == 404


class TestTokens:
    def test_a_persons_token_posts_as_the_person(self, house: House) -> None:
        program = factories.bearer(house.app, factories.token(house.project, who=house.mara)[1])

        row = house.post(program).get_json()

        assert (row["author_kind"], row["user_id"]) == ("person", str(house.mara.id))

    def test_an_agents_token_posts_as_the_agent(self, house: House) -> None:
        program = factories.bearer(house.app, factories.token(house.project, "agent")[1])

        row = house.post(program, "all quiet", client_id="a").get_json()

        assert (row["author_kind"], row["author_key"], row["user_id"]) == ("agent", "bulma", None)
        assert house.post(program, "all quiet", client_id="a").status_code == 200
        assert house.post(program, "alarm", client_id="a").status_code == 409

    def test_two_agents_may_use_the_same_client_id(self, house: House) -> None:
        tokens = [factories.token(house.project, "agent", agent_key=key)[1] for key in ("bulma", "trunks")]

        answers = [house.post(factories.bearer(house.app, text), text[:3], client_id="a") for text in tokens]

        assert [answer.status_code for answer in answers] == [201, 201]

    def test_an_agents_message_goes_only_to_whom_it_mentions(self, house: House, db: SQLAlchemy) -> None:
        program = factories.bearer(house.app, factories.token(house.project, "agent")[1])

        house.post(program, "nothing to do")
        house.post(program, "@trunks look at this, says @bulma")

        assert [d.target_agent_key for d in db.session.query(Delivery)] == ["trunks"]

    def test_without_the_scope_a_token_does_not_post(self, house: House) -> None:
        text = factories.token(house.project, who=house.mara, scopes=["project.read", "message.read"])[1]

        assert house.post(factories.bearer(house.app, text)).status_code == 403


class TestEditing:
    def test_the_author_changes_his_text(self, house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
        message = house.post(mara, "helo").get_json()

        answer = mara.patch(f"/api/messages/{message['id']}", json={"content": "**hello**"})

        assert answer.status_code == 200
        assert answer.get_json()["content"] == "**hello**"
        assert answer.get_json()["edited_at"]
        assert "<strong>" in db.session.query(Message).one().content_html

    def test_the_author_takes_it_back(self, house: House, mara: FlaskClient) -> None:
        message = house.post(mara, "oops").get_json()

        answer = mara.delete(f"/api/messages/{message['id']}")

        assert answer.get_json()["content"] == ""
        assert answer.get_json()["deleted_at"]
        assert "oops" not in mara.get(f"/{house.project.key}/chat").text

    def test_nobody_else_can(self, house: House, mara: FlaskClient, jonas: FlaskClient) -> None:
        message = house.post(jonas, "mine").get_json()

        assert mara.patch(f"/api/messages/{message['id']}", json={"content": "his"}).status_code == 403
        assert mara.delete(f"/api/messages/{message['id']}").status_code == 403

    def test_what_is_deleted_stays_so(self, house: House, mara: FlaskClient) -> None:
        message = house.post(mara, "oops").get_json()
        mara.delete(f"/api/messages/{message['id']}")

        answer = mara.patch(f"/api/messages/{message['id']}", json={"content": "back"})

        assert answer.status_code == 409
        assert answer.get_json()["row"]["deleted_at"]

    @pytest.mark.parametrize("content", ["", NUL, TOO_LONG, 7, None])
    def test_a_bad_text_changes_nothing(self, house: House, mara: FlaskClient, content: Any) -> None:
        message = house.post(mara, "as it was").get_json()

        answer = mara.patch(f"/api/messages/{message['id']}", json={"content": content})

        assert answer.status_code == 422
        assert list(answer.get_json()["error"]["fields"]) == ["content"]


class TestReactions:
    def test_one_counts_once(self, house: House, mara: FlaskClient, jonas: FlaskClient) -> None:
        message = house.post(mara).get_json()
        address = f"/api/messages/{message['id']}/reactions/👍"

        assert [jonas.put(address).status_code for _ in range(2)] == [204, 204]
        assert shown(house, mara).count('data-emoji="👍"') == 1

        assert [jonas.delete(address).status_code for _ in range(2)] == [204, 204]
        assert shown(house, mara).count('data-emoji="👍"') == 0

    @pytest.mark.parametrize("emoji", ["💣", "ok", "<b>", "👍👍"])
    def test_only_known_ones(self, house: House, mara: FlaskClient, emoji: str) -> None:
        message = house.post(mara).get_json()

        answer = mara.put(f"/api/messages/{message['id']}/reactions/{emoji}")

        assert answer.status_code == 422
        assert "emoji" in answer.get_json()["error"]["fields"]

    def test_a_viewer_does_not_react(self, house: House, mara: FlaskClient) -> None:
        message = house.post(mara).get_json()

        assert house.newcomer("viewer").put(f"/api/messages/{message['id']}/reactions/👍").status_code == 403


def shown(house: House, client: FlaskClient) -> str:
    [message] = client.get(f"/api/threads/{house.thread.id}/messages").get_json()["messages"]
    return str(message["html"])
