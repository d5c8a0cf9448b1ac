"""Conversations over HTTP: the first message begins one, and a page shows two of them."""

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select
from werkzeug.test import TestResponse

from models import Agent, Delivery, Draft, Membership, Message, Thread, labs
from models.base import utcnow
from models.message import Answer
from models.policy import Principal
from models.thread import dm_id
from tests import factories
from tests.webapp.rooms.conftest import House
from webapp import gate
from webapp.batching import Gate
from webapp.gate import Post


def dms(db: SQLAlchemy) -> list[Thread]:
    return list(db.session.scalars(select(Thread).where(Thread.kind == "dm")))


def own(house: House, client: FlaskClient) -> dict[str, Any]:
    """What the person's list of conversations says, by agent."""
    listed = client.get(f"/api/projects/{house.project.id}/dms").get_json()["dms"]
    return {row["agent_key"]: row for row in listed}


def say(client: FlaskClient, thread_id: object, text: str = "hello", **more: Any) -> TestResponse:
    body = {"content": text, "client_id": str(uuid4())} | more
    return client.post(f"/api/threads/{thread_id}/messages", json=body)


@pytest.fixture
def place(house: House) -> UUID:
    """Where Jonas would talk with Bulma."""
    return dm_id(house.project.id, house.jonas.id, "bulma")


class TestFirstMessage:
    def test_it_begins_the_conversation(
        self, house: House, jonas: FlaskClient, place: UUID, db: SQLAlchemy
    ) -> None:
        before = own(house, jonas)["bulma"]
        jonas.get(f"/{house.project.key}/dms?left=bulma")
        assert (before["thread_id"], before["begun"], dms(db)) == (str(place), False, [])

        answer = say(jonas, place)

        assert answer.status_code == 201
        [thread] = dms(db)
        assert (thread.id, thread.title, thread.owner_user_id) == (place, "DM:bulma", house.jonas.id)
        assert own(house, jonas)["bulma"] == before | {"begun": True, "last_seq": 1}

    def test_the_second_one_goes_on(
        self, house: House, jonas: FlaskClient, place: UUID, db: SQLAlchemy
    ) -> None:
        seqs = [say(jonas, place).get_json()["seq"] for _ in range(2)]

        assert seqs == [1, 2]
        assert len(dms(db)) == 1

    def test_a_repeat_is_the_same_message(
        self, house: House, jonas: FlaskClient, place: UUID, db: SQLAlchemy
    ) -> None:
        answers = [say(jonas, place, client_id="once") for _ in range(2)]

        assert [answer.status_code for answer in answers] == [201, 200]
        assert len({answer.get_json()["id"] for answer in answers}) == 1

    def test_two_first_ones_at_once_begin_one(
        self, house: House, jonas: FlaskClient, place: UUID, db: SQLAlchemy
    ) -> None:
        """As from two tabs at two processes, each with its own gate."""
        posts = [_post(house, place, f"tab {number}") for number in range(6)]
        gates = [Gate(gate.write, batch=2), Gate(gate.write, batch=2)]
        db.session.commit()
        ready = Barrier(len(posts))

        def enter(number: int) -> object:
            with house.app.app_context():
                ready.wait()
                return gates[number % 2].enter(posts[number]).seq

        with ThreadPoolExecutor(len(posts)) as pool:
            assert sorted(pool.map(enter, range(len(posts)))) == [1, 2, 3, 4, 5, 6]  # type: ignore[type-var]
        assert len(dms(db)) == 1

    def test_one_that_has_another_id_is_found_by_its_title(
        self, house: House, jonas: FlaskClient, place: UUID, db: SQLAlchemy
    ) -> None:
        before = Thread(
            project_id=house.project.id, title="DM:bulma", kind="dm", owner_user_id=house.jonas.id
        )
        db.session.add(before)
        db.session.flush()

        assert say(jonas, place).get_json()["thread_id"] == str(before.id)
        assert own(house, jonas)["bulma"]["thread_id"] == str(before.id)

    @pytest.mark.parametrize("who", ["owner", "token", "stranger"])
    def test_nobody_else_begins_it(
        self, house: House, app: Flask, mara: FlaskClient, place: UUID, db: SQLAlchemy, who: str
    ) -> None:
        client = {
            "owner": lambda: mara,
            "token": lambda: factories.bearer(app, factories.token(house.project, who=house.jonas)[1]),
            "stranger": lambda: factories.signed_in(app, factories.member(factories.project(), "owner")),
        }[who]()

        assert say(client, place).status_code == 404
        assert dms(db) == []

    def test_who_tries_in_the_same_moment_harms_nobody(
        self, house: House, mara: FlaskClient, place: UUID, db: SQLAlchemy
    ) -> None:
        mine = _post(house, place, "mine")
        session = factories.sign_in(house.app.test_client(), house.mara)
        foreign = Post(
            Principal(kind="person", id=house.mara.id, session_id=session.id),
            place,
            Draft.of(house.mara.id, "not mine", "x"),
        )
        db.session.commit()

        before, message, after = gate.write([foreign, mine, foreign])

        assert isinstance(message, Message)
        assert not isinstance(before, Message)
        assert not isinstance(after, Message)
        assert [row.content for row in db.session.query(Message)] == ["mine"]

    @pytest.mark.parametrize(
        ("wrong", "status"), [("viewer", 403), ("flag", 404), ("archived", 404), ("gone", 404), ("left", 404)]
    )
    def test_what_forbids_it(
        self, house: House, jonas: FlaskClient, place: UUID, db: SQLAlchemy, wrong: str, status: int
    ) -> None:
        membership = Membership.of(house.project.id, house.jonas.id)
        assert membership
        if wrong == "viewer":
            membership.change_role("viewer")
        elif wrong == "flag":
            labs.write(house.project.id, {"dms": False})
        elif wrong == "archived":
            house.project.archive()
        elif wrong == "gone":
            house.bulma.archived_at = utcnow()
        else:
            membership.end()
        db.session.commit()

        assert say(jonas, place).status_code == status
        assert dms(db) == []


def _post(house: House, place: UUID, text: str) -> Post:
    """A first message of Jonas, as its view hands it over."""
    session = factories.sign_in(house.app.test_client(), house.jonas)
    caller = Principal(
        kind="person", id=house.jonas.id, session_id=session.id, roles={house.project.id: "member"}
    )
    return Post(caller, place, Draft.of(house.jonas.id, text, text))


class TestBetweenTwo:
    """What is said there goes to its agent, and to nobody else."""

    def targets(self, db: SQLAlchemy) -> list[str]:
        return sorted(db.session.scalars(select(Delivery.target_agent_key)))

    @pytest.mark.parametrize("text", ["hello", "@trunks hello", "@all hello", "@mara and @bulma"])
    def test_its_agent_hears_and_nobody_else(
        self, jonas: FlaskClient, place: UUID, db: SQLAlchemy, text: str
    ) -> None:
        row = say(jonas, place, text).get_json()

        assert self.targets(db) == ["bulma"]
        assert (row["target_agent_key"], row["addressed"]) == ("bulma", None)

    def test_an_answer_calls_nobody(self, jonas: FlaskClient, place: UUID, db: SQLAlchemy) -> None:
        say(jonas, place)
        delivery = db.session.query(Delivery).one()
        assert delivery.take()

        delivery.finish(delivery.lease_token or "", Answer.of("I ask @trunks and @all"), {})

        assert self.targets(db) == ["bulma"]

    def test_a_message_is_not_passed_on_to_another_agent(
        self, house: House, jonas: FlaskClient, place: UUID, db: SQLAlchemy
    ) -> None:
        message = say(jonas, place).get_json()
        asked = {"message_id": message["id"], "message": "hello", "project_id": str(house.project.id)}

        assert jonas.post("/api/chat/deliver", json=asked | {"target_agent_key": "trunks"}).status_code == 409
        assert jonas.post("/api/chat/deliver", json=asked | {"target_agent_key": "bulma"}).status_code == 200
        assert self.targets(db) == ["bulma"]


class TestPage:
    @pytest.fixture
    def page(self, house: House) -> str:
        return f"/{house.project.key}/dms"

    def shown(self, html: str) -> list[str]:
        """The agent of each panel; empty where one is to be chosen."""
        panes = re.split(r"<turbo-frame ", html)[1:]
        found = [re.search(r'class="pane__head" data-agent-row="(\w+)"', pane) for pane in panes]
        return [match[1] if match else "" for match in found]

    def test_it_shows_two_conversations(
        self, house: House, jonas: FlaskClient, page: str, place: UUID
    ) -> None:
        say(jonas, place, "to bulma")
        say(jonas, dm_id(house.project.id, house.jonas.id, "trunks"), "to trunks")

        html = jonas.get(f"{page}?left=trunks&right=bulma").text

        assert self.shown(html) == ["trunks", "bulma"]
        listed, left, right = re.split(r"<turbo-frame ", html)
        assert re.findall(r'class="said"[^>]*>([^<]*)', listed) == ["You: to bulma", "You: to trunks"]
        assert ("to trunks" in left, "to trunks" in right) == (True, False)
        assert ("to bulma" in left, "to bulma" in right) == (False, True)

    def test_what_was_open_last_is_remembered(self, house: House, jonas: FlaskClient, page: str) -> None:
        assert jonas.get(page).location == f"{page}?left=trunks"

        jonas.get(f"{page}?left=bulma&right=trunks")
        assert jonas.get(page).location == f"{page}?left=bulma&right=trunks"

        jonas.get(f"{page}?left=trunks&around=3")  # the link to a message
        assert jonas.get(page).location == f"{page}?left=bulma&right=trunks"

    @pytest.mark.parametrize(
        ("query", "panels"),
        [
            ("left=bulma&right=bulma", ["bulma", ""]),
            ("left=nobody&right=", ["", ""]),
            ("right=bulma", ["", "bulma"]),
            ("left=BULMA&right=%E2%9C%85", ["", ""]),
            ("left=x" + "y" * 300, ["", ""]),
        ],
    )
    def test_what_is_no_agent_is_chosen_anew(
        self, jonas: FlaskClient, page: str, query: str, panels: list[str]
    ) -> None:
        answer = jonas.get(f"{page}?{query}")

        assert answer.status_code == 200
        assert self.shown(answer.text) == panels

    def test_each_panel_has_its_own_place(
        self, house: House, jonas: FlaskClient, page: str, place: UUID
    ) -> None:
        for _ in range(60):
            say(jonas, place)

        left = jonas.get(f"{page}?left=bulma&around=10").text
        right = jonas.get(f"{page}?right=bulma&around=10").text
        own_place = jonas.get(f"{page}?right=bulma&right_around=10").text

        assert 'data-stream-anchor-value="10"' in left
        assert 'data-stream-after-value="true"' in left
        assert "data-stream-anchor-value" not in right
        assert 'data-stream-anchor-value="10"' in own_place

    def test_a_link_to_a_message_names_the_agent_and_no_thread(
        self, house: House, jonas: FlaskClient, page: str
    ) -> None:
        assert f'data-tools-path-value="{page}?left=bulma"' in jonas.get(f"{page}?right=bulma").text

    def test_what_is_new_shows_at_once(
        self, house: House, jonas: FlaskClient, page: str, place: UUID, db: SQLAlchemy
    ) -> None:
        open_page = f"{page}?left=bulma"
        jonas.get(open_page)
        say(jonas, place, "the first")
        assert "the first" in jonas.get(open_page).text

        delivery = db.session.query(Delivery).one()
        delivery.fail("The dog ate it")
        assert "The dog ate it" in jonas.get(open_page).text

        jonas.put(f"/api/threads/{place}/read", json={"seq": 1})
        assert 'data-stream-read-value="1"' in jonas.get(open_page).text

    def test_all_unread_ones_are_counted_on_every_page(
        self, house: House, jonas: FlaskClient, place: UUID
    ) -> None:
        say(jonas, place)

        html = jonas.get(f"/{house.project.key}/agents").text

        link = re.search(r'<a href="/\w+/dms".*?</a>', html, re.DOTALL)
        assert link
        assert f"[&#34;{place}&#34;, 1, 0]" in link[0]

    def test_the_address_of_the_seed_leads_to_the_project_used_last(
        self, house: House, jonas: FlaskClient, page: str
    ) -> None:
        other = factories.project("other")
        factories.membership(other, house.jonas)
        assert jonas.get("/dms").location == "/other/dms"

        jonas.get(f"{page}?left=bulma")

        assert jonas.get("/dms").location == page
        assert factories.signed_in(house.app, factories.user()).get("/dms").status_code == 404

    def test_while_the_flag_is_off_there_are_none(
        self, house: House, jonas: FlaskClient, page: str, place: UUID
    ) -> None:
        say(jonas, place)
        assert jonas.get(f"{page}?left=bulma").status_code == 200
        labs.write(house.project.id, {"dms": False})

        assert jonas.get(f"{page}?left=bulma").status_code == 404
        assert jonas.get(page).status_code == 404
        assert jonas.get(f"/api/projects/{house.project.id}/dms").status_code == 404
        assert jonas.get(f"/api/threads/{place}/messages").status_code == 404
        assert page not in jonas.get(f"/{house.project.key}/chat").text

    def test_a_program_has_none(self, house: House, page: str) -> None:
        program = factories.bearer(house.app, factories.token(house.project, who=house.jonas)[1])

        assert program.get(f"{page}?left=bulma").status_code == 403
        assert program.get(f"/api/projects/{house.project.id}/dms").status_code == 403
        assert page not in program.get(f"/{house.project.key}/chat").text

    def test_without_agents_it_says_so(self, house: House, jonas: FlaskClient, page: str) -> None:
        for agent in Agent.of_project(house.project.id):
            agent.archived_at = utcnow()
        house.project.default_agent_key = None

        answer = jonas.get(page, follow_redirects=True)

        assert answer.status_code == 200
        assert "Agents stand here once one is provisioned" in answer.text

    def test_names_never_become_markup(self, house: House, jonas: FlaskClient, page: str) -> None:
        house.bulma.name = '"><script>alert(1)</script>'
        house.bulma.title = "<img src=x onerror=alert(2)>"

        html = jonas.get(f"{page}?left=bulma&right=trunks").text

        assert "<script>alert" not in html
        assert "<img" not in html
