"""What the room's page says on the first paint, and where addresses lead."""

import json
import re
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from flask import request
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy

from models import Delivery, Membership, labs
from models.base import utcnow
from realtime import streams
from tests import factories
from tests.webapp.rooms.conftest import House
from webapp import auth, rendering
from webapp.kept import State


def seqs(page: str) -> list[int]:
    return [int(seq) for seq in re.findall(r'<article class="msg"[^>]* data-seq="(\d+)"', page)]


def positions(page: str) -> dict[str, int]:
    found = re.search(r"<meta name=\"streams\" content='([^']*)'", page)
    assert found
    return {place["name"]: place["seq"] for place in json.loads(unescape(found[1]))}


def roster(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="roster"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


@pytest.fixture
def chat(house: House) -> str:
    return f"/{house.project.key}/chat"


def test_the_newest_fifty_messages_are_shown(house: House, mara: FlaskClient, chat: str) -> None:
    for _ in range(60):
        house.post(mara)

    page = mara.get(chat).text

    assert seqs(page) == list(range(11, 61))
    assert 'data-stream-before-value="true"' in page
    assert 'data-stream-after-value="false"' in page


def test_a_permalink_shows_what_is_around(house: House, mara: FlaskClient, chat: str) -> None:
    for _ in range(60):
        house.post(mara)

    page = mara.get(f"{chat}?around=10").text

    assert seqs(page) == list(range(1, 51))
    assert 'data-stream-anchor-value="10"' in page
    assert 'data-stream-after-value="true"' in page


@pytest.mark.parametrize("around", ["x", "-1", "", "1e9", "9" * 30, "99999999999", "0", "١"])
def test_a_permalink_to_nowhere_still_shows_the_room(
    house: House, mara: FlaskClient, chat: str, around: str
) -> None:
    house.post(mara)

    assert seqs(mara.get(f"{chat}?around={around}").text) == [1]


def test_the_page_knows_where_its_streams_stand(
    house: House, mara: FlaskClient, jonas: FlaskClient, chat: str, db: SQLAlchemy
) -> None:
    house.post(mara)

    owners, members = positions(mara.get(chat).text), positions(jonas.get(chat).text)

    project = f"project:{house.project.id}"
    assert owners[project] == members[project] == streams.head(project) > 0
    assert set(owners) == {project, f"user:{house.mara.id}", f"admin:{house.project.id}"}
    assert set(members) == {project, f"user:{house.jonas.id}"}


class TestKept:
    """What was rendered once is shown again, but never when it is no longer true."""

    def test_a_new_message_shows(self, house: House, mara: FlaskClient, chat: str) -> None:
        house.post(mara, "first")
        mara.get(chat)

        house.post(mara, "second")

        assert seqs(mara.get(chat).text) == [1, 2]

    def test_an_edit_shows_in_the_message_and_in_its_quote(
        self, house: House, mara: FlaskClient, chat: str
    ) -> None:
        message = house.post(mara, "helo").get_json()
        house.post(mara, "what?", reply_to=message["id"])
        assert mara.get(chat).text.count("helo") == 2

        mara.patch(f"/api/messages/{message['id']}", json={"content": "hello"})

        page = mara.get(chat).text
        assert "helo" not in page
        assert page.count("hello") == 2

    def test_the_fate_of_a_delivery_shows(
        self, house: House, mara: FlaskClient, chat: str, db: SQLAlchemy
    ) -> None:
        house.post(mara, "@bulma hello")
        assert 'data-state="queued"' in mara.get(chat).text

        db.session.query(Delivery).one().fail("The dog ate it")

        assert "The dog ate it" in mara.get(chat).text

    def test_what_an_agent_had_written_before_it_failed_stays(
        self, house: House, mara: FlaskClient, chat: str, db: SQLAlchemy
    ) -> None:
        house.post(mara, "@bulma hello")
        delivery = db.session.query(Delivery).one()
        delivery.take()
        Delivery.progress(delivery.lease_token or "", "The disk is <b>full")

        delivery.fail("The model gave up", delivery.lease_token)

        assert "The disk is &lt;b&gt;full" in mara.get(chat).text

    def test_what_did_not_change_is_not_rendered_again(
        self, house: House, mara: FlaskClient, chat: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from realtime.registry import Published

        rendered: list[int] = []
        html = Published.html

        def counting(self: Published, row: Any) -> str | None:
            rendered.append(row.seq)
            return html(self, row)

        monkeypatch.setattr(Published, "html", counting)
        for _ in range(3):
            house.post(mara)
        mara.get(chat)
        assert sorted(rendered) == [1, 2, 3]

        house.bulma.state.say("thinking")
        mara.get(chat)
        house.post(mara)
        mara.get(chat)

        assert sorted(rendered) == [1, 2, 3, 4]

    def test_it_is_the_same_for_everybody(
        self, house: House, mara: FlaskClient, jonas: FlaskClient, chat: str
    ) -> None:
        house.post(mara, "from mara")

        def articles(client: FlaskClient) -> list[str]:
            return re.findall(r"<article class=\"msg\" id.*?</article>", client.get(chat).text, re.DOTALL)

        assert articles(mara) == articles(jonas) != []

    def test_a_log_that_was_pruned_is_not_trusted(
        self, house: House, mara: FlaskClient, chat: str, db: SQLAlchemy
    ) -> None:
        from models import Stream, StreamChange

        message = house.post(mara, "before").get_json()
        mara.get(chat)
        mara.patch(f"/api/messages/{message['id']}", json={"content": "later"})
        stream = db.session.get_one(Stream, f"project:{house.project.id}")
        stream.floor = stream.head
        db.session.query(StreamChange).filter_by(stream=stream.name).delete()

        assert "later" in mara.get(chat).text


class TestSeenBefore:
    """A session that opens the page again is given what it saw, while nothing in it has changed."""

    @pytest.fixture
    def made(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The addresses of the pages that were really made."""
        addresses: list[str] = []
        layout = rendering.layout

        def noted(state: State) -> dict[str, Any]:
            addresses.append(request.path)
            return layout(state)

        monkeypatch.setattr(rendering, "layout", noted)
        return addresses

    def test_it_is_made_once(self, house: House, mara: FlaskClient, chat: str, made: list[str]) -> None:
        house.post(mara)

        pages = {re.sub(r'nonce="[^"]*"', "", mara.get(chat).text) for _ in range(3)}

        assert len(pages) == 1
        assert made == [chat]

    def test_each_answer_has_its_own_nonce(self, house: House, mara: FlaskClient, chat: str) -> None:
        answers = [mara.get(chat) for _ in range(2)]

        nonces = [re.findall(r' nonce="([^"]+)"', answer.text) for answer in answers]
        assert nonces[0] != nonces[1]
        for answer, found in zip(answers, nonces, strict=True):
            assert found
            assert all(f"'nonce-{nonce}'" in answer.headers["Content-Security-Policy"] for nonce in found)

    def test_each_session_has_its_own(self, house: House, chat: str, made: list[str]) -> None:
        browsers = [house.browser(house.mara) for _ in range(2)]

        tokens = [
            re.findall(r'name="csrf-token" content="(\w+)"', browser.get(chat).text) for browser in browsers
        ]

        assert tokens[0] != tokens[1]
        assert made == [chat, chat]

    @pytest.mark.parametrize("end", ["session", "membership", "account", "flag"])
    def test_a_right_withdrawn_counts_at_once(
        self, house: House, chat: str, db: SQLAlchemy, end: str
    ) -> None:
        browser = house.app.test_client()
        session = factories.sign_in(browser, house.jonas)
        assert browser.get(chat).status_code == 200
        if end == "session":
            session.revoke()
        elif end == "membership":
            membership = Membership.of(house.project.id, house.jonas.id)
            assert membership
            db.session.delete(membership)
        elif end == "account":
            house.jonas.deactivated_at = utcnow()
        else:
            labs.write(house.project.id, {"team_room": False})

        expected = {"session": 303, "membership": 404, "account": 303, "flag": 404}
        assert browser.get(chat).status_code == expected[end]

    def test_a_session_that_is_too_old_ends(
        self, house: House, chat: str, db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        browser = house.browser(house.jonas)
        assert browser.get(chat).status_code == 200

        later = utcnow() + timedelta(days=8)
        for module in (rendering, auth):
            monkeypatch.setattr(module, "utcnow", lambda: later)

        assert browser.get(chat).status_code == 303

    def test_being_there_is_noted(self, house: House, chat: str, db: SQLAlchemy) -> None:
        browser = house.app.test_client()
        session = factories.sign_in(browser, house.jonas)
        session.seen_at = utcnow() - timedelta(minutes=5)
        db.session.commit()

        for _ in range(2):
            browser.get(chat).close()

        db.session.expire_all()
        assert session.seen_at > utcnow() - timedelta(minutes=1)

    def test_another_role_is_another_page(self, house: House, jonas: FlaskClient, chat: str) -> None:
        assert "role-member" in jonas.get(chat).text
        membership = Membership.of(house.project.id, house.jonas.id)
        assert membership

        membership.change_role("operator")

        assert "role-operator" in jonas.get(chat).text

    def test_another_theme_is_another_page(self, house: House, mara: FlaskClient, chat: str) -> None:
        mara.get(chat)
        mara.set_cookie("theme", "dark")

        assert 'data-theme="dark"' in mara.get(chat).text

    def test_the_other_projects_keep_their_names(self, house: House, mara: FlaskClient, chat: str) -> None:
        other = factories.project(name="Before")
        factories.membership(other, house.mara)
        assert "Before" in mara.get(chat).text

        other.name = "Afterwards"

        assert "Afterwards" in mara.get(chat).text

    def test_a_read_mark_shows(self, house: House, mara: FlaskClient, jonas: FlaskClient, chat: str) -> None:
        house.post(mara)
        jonas.get(chat)

        jonas.put(f"/api/threads/{house.thread.id}/read", json={"seq": 1})

        assert 'data-stream-read-value="1"' in jonas.get(chat).text

    def test_a_token_sees_with_its_own_eyes(
        self, house: House, mara: FlaskClient, chat: str, made: list[str]
    ) -> None:
        program = factories.bearer(house.app, factories.token(house.project, who=house.mara)[1])

        for _ in range(2):
            assert program.get(chat).status_code == 200

        assert made == [chat, chat]


def test_the_roster_names_people_and_agents(
    house: House, mara: FlaskClient, chat: str, db: SQLAlchemy
) -> None:
    before = roster(mara.get(chat).text)
    house.bulma.state.say("thinking", "reads the logs")
    house.jonas.name = "Jonas W."

    after = roster(mara.get(chat).text)

    assert [person["name"] for person in before["people"]] == ["Jonas Weber", "Mara Lindqvist"]
    assert [person["name"] for person in after["people"]] == ["Jonas W.", "Mara Lindqvist"]
    assert after["people"][1] | {"active": True} == {
        "id": str(house.mara.id),
        "name": "Mara Lindqvist",
        "handle": house.mara.handle,
        "avatar": "ML",
        "role": "owner",
        "active": True,
    }
    bulma, _ = after["agents"]
    assert (bulma["key"], bulma["status"], bulma["activity"]) == ("bulma", "thinking", "reads the logs")


def test_unread_messages_are_counted_from_the_read_mark(
    house: House, mara: FlaskClient, jonas: FlaskClient, chat: str
) -> None:
    for _ in range(3):
        house.post(mara)

    jonas.put(f"/api/threads/{house.thread.id}/read", json={"seq": 2})

    page = jonas.get(chat).text
    assert 'data-stream-last-value="3"' in page
    assert 'data-stream-read-value="2"' in page


class TestAddresses:
    def test_home_leads_to_the_project_used_last(self, house: House, mara: FlaskClient, chat: str) -> None:
        other = factories.project("other")
        factories.membership(other, house.mara)

        assert mara.get("/").location == "/other/chat"
        mara.get(chat)
        assert mara.get("/").location == chat
        assert mara.get("/chat").location == chat
        assert mara.get(f"/{house.project.key}/").location == chat

    def test_a_project_one_has_left_is_forgotten(
        self, house: House, mara: FlaskClient, chat: str, db: SQLAlchemy
    ) -> None:
        other = factories.project("other")
        membership = factories.membership(other, house.mara)
        mara.get("/other/chat")
        db.session.delete(membership)

        assert mara.get("/").location == chat
        assert mara.get("/other/chat").status_code == 404

    def test_without_the_room_home_is_settings(self, house: House, mara: FlaskClient) -> None:
        labs.write(house.project.id, {"team_room": False})

        assert mara.get("/").location == f"/{house.project.key}/settings"

    def test_who_is_in_no_project_is_told_so(self, house: House) -> None:
        nobody = factories.signed_in(house.app, factories.user())

        answer = nobody.get("/")

        assert answer.status_code == 404
        assert "invite" in answer.text

    def test_a_visitor_signs_in_first(self, house: House, client: FlaskClient, chat: str) -> None:
        assert client.get(chat).location == f"/sign-in?next={chat}"

    def test_a_foreign_project_looks_like_a_missing_one(self, house: House, mara: FlaskClient) -> None:
        factories.project("theirs")

        pages = [mara.get(f"/{key}/chat") for key in ("theirs", "nowhere")]

        assert [page.status_code for page in pages] == [404, 404]


class TestAgentsPage:
    def test_agents_and_requests_are_listed(self, house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
        house.bulma.state.say("tool", "reads the logs")
        mara.post(f"/api/projects/{house.project.id}/agents", json={"key": "gohan", "name": "Gohan"})

        page = mara.get(f"/{house.project.key}/agents").text

        assert "@bulma" in page
        assert "reads the logs" in page
        assert "@gohan" in page

    def test_it_works_without_the_room(self, house: House, mara: FlaskClient) -> None:
        labs.write(house.project.id, {"team_room": False})

        page = mara.get(f"/{house.project.key}/agents")

        assert page.status_code == 200
        assert f"/{house.project.key}/chat" not in page.text


def test_what_people_write_never_becomes_markup(house: House, mara: FlaskClient, chat: str) -> None:
    house.post(mara, "<script>alert(1)</script>", client_id='"><script>alert(2)</script>')
    house.bulma.name = "</script><script>alert(3)</script>"
    house.bulma.state.say("tool", "<img src=x onerror=alert(4)>")
    house.bulma.persona = "</textarea><script>alert(5)</script>"
    house.mara.name = "<b>Mara</b>"

    for page in (mara.get(chat).text, mara.get(f"/{house.project.key}/agents").text):
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "<b>Mara" not in page


def test_ids_of_another_project_lead_nowhere(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    other = factories.project("theirs")
    them = factories.signed_in(house.app, factories.member(other, "owner"))
    factories.agent(other, "bulma")
    message = them.post(
        f"/api/threads/{other.room.id}/messages", json={"content": "@bulma hi", "client_id": "x"}
    ).get_json()
    delivery = db.session.query(Delivery).one()
    delivery.take()
    agent = factories.agent(other, "zed")
    db.session.commit()
    theirs = {
        "thread": other.room.id,
        "message": message["id"],
        "delivery": delivery.id,
        "reply": delivery.reply_id,
        "agent": agent.id,
        "project": other.id,
    }
    requests: list[tuple[str, str, Any]] = [
        ("GET", "/api/threads/{thread}/messages", None),
        ("POST", "/api/threads/{thread}/messages", {"content": "x", "client_id": "y"}),
        ("PUT", "/api/threads/{thread}/read", {"seq": 1}),
        ("POST", "/api/threads/{thread}/continue", None),
        ("POST", "/api/threads/{thread}/halt", None),
        ("PATCH", "/api/messages/{message}", {"content": "x"}),
        ("DELETE", "/api/messages/{message}", None),
        ("GET", "/api/messages/{reply}/partial", None),
        ("PUT", "/api/messages/{message}/reactions/👍", None),
        ("DELETE", "/api/messages/{message}/reactions/👍", None),
        ("POST", "/api/deliveries/{delivery}/retry", None),
        ("POST", "/api/deliveries/{delivery}/regenerate", None),
        ("POST", "/api/deliveries/{delivery}/stop", None),
        ("GET", "/api/projects/{project}/threads", None),
        ("GET", "/api/projects/{project}/agents", None),
        ("POST", "/api/projects/{project}/agents", {"key": "a", "name": "A"}),
        ("PATCH", "/api/agents/{agent}", {"name": "A"}),
        ("GET", "/api/streams/project:{project}", None),
        ("GET", "/api/streams/admin:{project}", None),
    ]
    nowhere = dict.fromkeys(theirs, uuid4())

    for method, address, body in requests:
        foreign, missing = (
            mara.open(address.format(**ids), method=method, json=body) for ids in (theirs, nowhere)
        )
        assert foreign.status_code == 404, address
        assert foreign.get_json() == missing.get_json(), address
