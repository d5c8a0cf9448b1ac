"""Nothing of a conversation reaches anybody but its owner, by whatever door; the control is the owner."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy

from models import Delivery, Draft, Membership, Message, Proposal, Thread, User, labs
from models.delivery import MAX_ATTEMPTS
from models.message import Answer
from models.posting import post
from models.thread import dm_id
from realtime import streams
from tests import factories
from tests.webapp.rooms.conftest import House
from webapp.auth import by_token

WORD = "swordfish"


@dataclass
class Secret:
    """A conversation of Kim, an operator, with Bulma: questions, an answer, a text so far, a proposal."""

    house: House
    kim: User
    thread: Thread
    question: Message
    writing: Delivery
    proposal: Proposal

    @property
    def names(self) -> dict[str, Any]:
        """What the parts of an address may be called, and what they are here."""
        return {
            "project_id": self.house.project.id,
            "project_key": self.house.project.key,
            "thread_id": self.thread.id,
            "message_id": self.question.id,
            "delivery_id": self.writing.id,
            "proposal_id": self.proposal.id,
            "user_id": self.kim.id,
            "agent_id": self.house.bulma.id,
            "agent_key": "bulma",
            "emoji": "👍",
        }

    def addresses(self) -> Iterator[str]:
        """Every address that can be read, filled in with what is of this conversation."""
        for rule in self.house.app.url_map.iter_rules():
            if "GET" not in (rule.methods or ()) or rule.rule.startswith(("/static", "/sign")):
                continue
            for names in self._fillings(rule.rule):
                yield re.sub(
                    r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", lambda part, n=names: str(n[part[1]]), rule.rule
                )  # type: ignore[misc]

    def _fillings(self, rule: str) -> list[dict[str, Any]]:
        known = self.names
        missing = set(re.findall(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", rule)) - known.keys()
        if rule == "/api/streams/<name>":
            project = self.house.project.id
            return [{"name": f"{kind}?since=0"} for kind in
                    (f"user:{self.kim.id}", f"project:{project}", f"admin:{project}")]  # fmt: skip
        if rule == "/api/messages/<uuid:message_id>/partial":
            return [{"message_id": self.writing.reply_id}]
        if rule == "/<project_key>/dms":
            return [{"project_key": f"{known['project_key']}"}]
        return [known | {name: uuid4() for name in missing}]

    def more(self) -> list[str]:
        """The same with what such addresses can be asked besides."""
        key, project, thread = self.house.project.key, self.house.project.id, self.thread.id
        return [
            f"/{key}/dms?left=bulma&right=trunks",
            f"/{key}/dms?left=bulma&around=1",
            f"/{key}/dms?right=bulma&right_around=1",
            f"/{key}/chat?around=1",
            f"/api/threads/{thread}/messages?around=1&limit=10",
            f"/api/proposals?project_id={project}&status=proposed",
        ]


@pytest.fixture
def secret(house: House, db: SQLAlchemy) -> Secret:
    kim = factories.member(house.project, "operator", "Kim")
    thread = Thread.dm(house.project.id, kim.id, "bulma")
    [first] = _say(thread, kim, f"the word is {WORD}").deliveries
    assert first.take()
    first.finish(first.lease_token or "", Answer.of(f"{WORD} it is"), {})
    question = _say(thread, kim, f"again: {WORD}", reply_to=first.reply_id)
    [writing] = question.deliveries
    assert writing.take()
    Delivery.progress(writing.lease_token or "", f"{WORD}, as I s")
    proposal = factories.proposal(
        thread, house.bulma, title=f"Say {WORD}", description="", assignee_agent_key=None
    )
    db.session.commit()
    return Secret(house, kim, thread, question, writing, proposal)


def _say(thread: Thread, who: User, text: str, **more: Any) -> Message:
    return post(thread, Draft.of(who.id, text, str(uuid4()), **more))


Client = Callable[[Secret, Flask], FlaskClient]


def _token(kind: str, own: bool = False, **more: Any) -> Client:
    def client(secret: Secret, app: Flask) -> FlaskClient:
        who = {"who": secret.kim} if own else {}
        return factories.bearer(app, factories.token(secret.house.project, kind, **who, **more)[1])

    return client


OTHERS: dict[str, Client] = {
    "owner of the project": lambda secret, app: secret.house.browser(secret.house.mara),
    "operator": lambda secret, app: secret.house.newcomer("operator"),
    "member": lambda secret, app: secret.house.browser(secret.house.jonas),
    "viewer": lambda secret, app: secret.house.newcomer("viewer"),
    "stranger": lambda secret, app: factories.signed_in(app, factories.member(factories.project(), "owner")),
    "a program with his own token": _token("user", own=True),
    "the agent itself": _token("agent"),
    "another agent": _token("agent", agent_key="trunks"),
    "a worker": _token("worker"),
    "visitor": lambda secret, app: app.test_client(),
}


def found(client: FlaskClient, secret: Secret, *words: str) -> list[str]:
    """Where the word, or one of these, can be read."""
    pages = {
        page: client.get(page, follow_redirects=True).text for page in (*secret.addresses(), *secret.more())
    }
    return [page for page, text in pages.items() if any(word in text for word in words or (WORD,))]


def test_the_owner_reads_it_at_every_door(secret: Secret) -> None:
    """The control of all that follows: the doors do show it, to him."""
    seen = found(secret.house.browser(secret.kim), secret)

    project, thread = secret.house.project, secret.thread.id
    assert {
        f"/{project.key}/dms?left=bulma&right=trunks",
        f"/{project.key}/dms?right=bulma&right_around=1",
        f"/api/threads/{thread}/messages",
        f"/api/messages/{secret.writing.reply_id}/partial",
        f"/api/proposals/{secret.proposal.id}",
        "/api/proposals",
        f"/api/streams/user:{secret.kim.id}?since=0",
    } <= set(seen)
    assert f"/api/streams/project:{project.id}?since=0" not in seen


@pytest.mark.parametrize("who", OTHERS)
def test_nobody_else_reads_it_at_any(secret: Secret, app: Flask, db: SQLAlchemy, who: str) -> None:
    client = OTHERS[who](secret, app)
    db.session.commit()

    assert found(client, secret) == []


@pytest.mark.parametrize("who", OTHERS)
def test_nobody_else_changes_anything_in_it(secret: Secret, app: Flask, db: SQLAlchemy, who: str) -> None:
    client = OTHERS[who](secret, app)
    db.session.commit()
    thread, message = secret.thread.id, secret.question.id
    body = {"content": "mine now", "client_id": "x"}
    decide = {"digest": secret.proposal.digest}
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", f"/api/threads/{thread}/messages", body),
        ("PUT", f"/api/threads/{thread}/read", {"seq": 1}),
        ("POST", f"/api/threads/{thread}/continue", {}),
        ("POST", f"/api/threads/{thread}/halt", {}),
        ("PATCH", f"/api/messages/{message}", {"content": "mine now"}),
        ("DELETE", f"/api/messages/{message}", {}),
        ("PUT", f"/api/messages/{message}/reactions/👍", {}),
        ("DELETE", f"/api/messages/{message}/reactions/👍", {}),
        ("POST", f"/api/deliveries/{secret.writing.id}/stop", {}),
        ("POST", f"/api/deliveries/{secret.writing.id}/retry", {}),
        ("POST", f"/api/deliveries/{secret.writing.id}/regenerate", {}),
        ("POST", f"/api/proposals/{secret.proposal.id}/approve", decide),
        ("POST", f"/api/proposals/{secret.proposal.id}/reject", decide),
        ("POST", f"/api/proposals/{secret.proposal.id}/later", {}),
    ]

    for method, path, said in asked:
        answer = client.open(path, method=method, json=said)
        assert answer.status_code in (401, 403, 404), (path, answer.status_code)
        assert WORD not in answer.text

    db.session.expire_all()
    assert (secret.thread.last_seq, secret.question.content) == (4, f"again: {WORD}")
    assert (secret.writing.status, secret.writing.desired_status) == ("delivered", None)
    assert (secret.proposal.status, secret.question.reactions) == ("proposed", [])


def test_its_stream_is_open_to_its_owner_in_a_session_alone(secret: Secret, app: Flask) -> None:
    name = f"user:{secret.kim.id}"
    text = factories.token(secret.house.project, who=secret.kim)[1]

    with app.test_request_context():
        assert not streams.may_read(by_token(text), name)
    assert secret.house.browser(secret.kim).get(f"/api/streams/{name}?since=0").status_code == 200
    for who in (secret.house.mara, secret.house.jonas):
        assert secret.house.browser(who).get(f"/api/streams/{name}?since=0").status_code == 404


def test_the_list_of_the_project_holds_what_its_owner_may_not_decide_without_the_conversation(
    secret: Secret, house: House, db: SQLAlchemy
) -> None:
    membership = Membership.of(house.project.id, secret.kim.id)
    assert membership
    membership.change_role("member")
    db.session.commit()

    conversation = (f"the word is {WORD}", f"{WORD} it is", f"again: {WORD}", f"{WORD}, as I s")
    said = house.browser(house.mara).get(f"/api/proposals/{secret.proposal.id}").get_json()
    assert said["headline"] == f"Create the task “Say {WORD}”"
    assert found(house.browser(secret.kim), secret, *conversation), "the control"
    assert found(house.browser(house.mara), secret, *conversation) == []


class TestWhoLeaves:
    @pytest.fixture(params=["removed", "deactivated"])
    def leave(self, request: pytest.FixtureRequest, secret: Secret, db: SQLAlchemy) -> Callable[[], None]:
        def leave() -> None:
            if request.param == "removed":
                membership = Membership.of(secret.house.project.id, secret.kim.id)
                assert membership
                membership.end()
            else:
                secret.kim.deactivate()
            db.session.commit()

        return leave

    def test_his_conversation_is_closed_and_kept(
        self, secret: Secret, app: Flask, db: SQLAlchemy, leave: Callable[[], None]
    ) -> None:
        elsewhere = factories.project()
        factories.membership(elsewhere, secret.kim)
        client = secret.house.browser(secret.kim)
        token = secret.writing.lease_token or ""
        assert found(client, secret)

        leave()

        assert found(client, secret) == []
        assert streams.catch_up(f"user:{secret.kim.id}", 0)["live"] == []
        assert WORD not in str(streams.catch_up(f"user:{secret.kim.id}", 0)["items"])
        # Who answered has lost it, and nobody takes it up again.
        db.session.expire_all()
        assert (secret.writing.status, secret.writing.partial) == ("queued", "")
        assert (Delivery.renew([token]), Delivery.claim(5)) == ({}, [])
        assert not secret.writing.finish(token, Answer.of("too late"), {})
        assert db.session.query(Message).filter_by(thread_id=secret.thread.id).count() == 4

    def test_it_opens_again_to_who_comes_back(
        self, secret: Secret, db: SQLAlchemy, leave: Callable[[], None]
    ) -> None:
        leave()
        secret.kim.reactivate()
        secret.kim.join(secret.house.project, "member")
        db.session.commit()

        page = secret.house.browser(secret.kim).get(f"/api/threads/{secret.thread.id}/messages")

        assert WORD in page.text
        assert [delivery.id for delivery in Delivery.claim(5)] == [secret.writing.id]

    def test_others_go_on(self, secret: Secret, db: SQLAlchemy, leave: Callable[[], None]) -> None:
        other = Thread.dm(secret.house.project.id, secret.house.jonas.id, "bulma")
        [delivery] = _say(other, secret.house.jonas, "hello").deliveries
        assert delivery.take()
        db.session.commit()

        leave()

        db.session.expire_all()
        assert delivery.status == "delivered"


def test_the_flag_closes_all_at_once(secret: Secret, db: SQLAlchemy) -> None:
    client = secret.house.browser(secret.kim)
    labs.write(secret.house.project.id, {"dms": False})
    db.session.commit()

    assert found(client, secret) == []
    assert secret.writing.attempts < MAX_ATTEMPTS


def test_an_id_says_nothing_to_others(secret: Secret, db: SQLAlchemy) -> None:
    """The id of a conversation can be known; the same answer is given whether it has begun or not."""
    project, mara = secret.house.project.id, secret.house.browser(secret.house.mara)
    begun, unbegun = dm_id(project, secret.kim.id, "bulma"), dm_id(project, secret.kim.id, "trunks")
    said = {"content": "hello", "client_id": "x"}

    for verb in (lambda id: mara.get(f"/api/threads/{id}/messages"),
                 lambda id: mara.post(f"/api/threads/{id}/messages", json=said)):  # fmt: skip
        answers = [verb(begun), verb(unbegun), verb(uuid4())]
        assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}


def test_the_token_that_was_made_for_it_is_a_real_one(secret: Secret, app: Flask) -> None:
    """A control: the programs above are refused for what they ask, not because they are nobody."""
    for who in ("a program with his own token", "the agent itself"):
        answer = OTHERS[who](secret, app).get(f"/api/threads/{secret.house.thread.id}/messages")
        assert answer.status_code == 200
