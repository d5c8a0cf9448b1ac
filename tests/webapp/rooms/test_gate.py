"""The posting gate: many post at once, and each is answered by its own fate."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from models import Draft, Membership, Message, User, UserSession
from models.base import utcnow
from models.errors import Busy, Conflict, DomainError
from models.markup import render
from models.policy import Principal
from models.session import IDLE, NOTED_EVERY
from tests import factories
from tests.realtime.world import statements
from tests.webapp.rooms.conftest import House
from webapp import gate
from webapp.batching import GATHERING, MANY, Gate
from webapp.gate import Outcome, Post


def post_of(house: House, who: FlaskClient, text: str = "hello", **more: str) -> Post:
    """A post as its view hands it over: the caller was authenticated and the text rendered."""
    session = factories.sign_in(who, house.mara)
    caller = Principal(
        kind="person", id=house.mara.id, session_id=session.id, roles={house.project.id: "owner"}
    )
    draft = Draft.of(house.mara.id, text, more.get("client_id", str(uuid4())))
    return Post(caller, house.thread.id, draft)


@pytest.fixture
def post(house: House, client: FlaskClient, db: SQLAlchemy) -> Callable[..., Post]:
    first = post_of(house, client)
    db.session.commit()

    def make(text: str = "hello", **more: str) -> Post:
        draft = Draft.of(house.mara.id, text, more.get("client_id", str(uuid4())))
        return Post(first.caller, first.thread_id, draft)

    return make


def at_once(app: Flask, gate: Gate, posts: Sequence[Post]) -> list[Outcome]:
    """Let all enter together, each in a thread and an application context of its own."""
    start = threading.Barrier(len(posts))

    def enter(post: Post) -> Outcome:
        with app.app_context():
            start.wait()
            try:
                return gate.enter(post)
            except DomainError as refusal:
                return refusal

    with ThreadPoolExecutor(len(posts)) as pool:
        return list(pool.map(lambda one: Context().run(enter, one), posts))


def test_thirty_two_at_once_are_numbered_without_holes(
    house: House, post: Callable[..., Post], db: SQLAlchemy
) -> None:
    posts = [post(f"message {number}") for number in range(32)]

    outcomes = at_once(house.app, Gate(gate.write), posts)

    assert sorted(message.seq for message in outcomes) == list(range(1, 33))  # type: ignore[union-attr]
    assert [message.id for message in outcomes] == [p.draft.id for p in posts]  # type: ignore[union-attr]
    assert db.session.query(Message).count() == 32


def test_two_gates_never_give_the_same_number(
    house: House, post: Callable[..., Post], db: SQLAlchemy
) -> None:
    gates = [Gate(gate.write, batch=3), Gate(gate.write, batch=3)]
    posts = [post(f"message {number}") for number in range(24)]

    with ThreadPoolExecutor(2) as pool:
        halves = [pool.submit(at_once, house.app, door, posts[start::2]) for start, door in enumerate(gates)]
        outcomes = [outcome for half in halves for outcome in half.result()]

    assert sorted(message.seq for message in outcomes) == list(range(1, 25))  # type: ignore[union-attr]


def test_a_repeat_in_the_same_batch_is_one_message(
    house: House, post: Callable[..., Post], db: SQLAlchemy
) -> None:
    same = [post("once", client_id="same") for _ in range(8)]

    outcomes = at_once(house.app, Gate(gate.write), same)

    assert len({message.id for message in outcomes}) == 1  # type: ignore[union-attr]
    assert db.session.query(Message).count() == 1


def test_one_bad_draft_does_not_harm_the_others(
    house: House, post: Callable[..., Post], db: SQLAlchemy
) -> None:
    good = [post(f"good {number}") for number in range(5)]
    first, other = post("once", client_id="x"), post("twice", client_id="x")

    outcomes = at_once(house.app, Gate(gate.write), [*good, first, other])

    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 1
    assert sorted(m.seq for m in outcomes if isinstance(m, Message)) == list(range(1, 7))


def test_a_draft_that_the_database_refuses_fails_alone(
    house: House, post: Callable[..., Post], db: SQLAlchemy
) -> None:
    good = [post(f"good {number}") for number in range(3)]
    stranger = Draft(uuid4(), "by nobody", render("by nobody"), "s")
    bad = Post(good[0].caller, house.thread.id, stranger)
    entered: list[int] = []

    def slow(posts: Sequence[Post]) -> list[Message | DomainError]:
        entered.append(len(posts))
        return gate.write(posts)

    with house.app.app_context():
        outcomes = Gate(slow)._outcomes([good[0], bad, good[1], good[2]])

    assert isinstance(outcomes[1], IntegrityError)
    assert sorted(m.seq for m in outcomes if isinstance(m, Message)) == [1, 2, 3]
    assert entered == [4, 1, 1, 1, 1]


@pytest.mark.parametrize("end", ["session", "membership", "role"])
def test_a_right_withdrawn_on_the_way_counts(
    house: House, post: Callable[..., Post], db: SQLAlchemy, end: str
) -> None:
    waiting = post()
    if end == "session":
        db.session.get_one(UserSession, waiting.caller.session_id).revoke()
    else:
        membership = Membership.of(house.project.id, house.mara.id)
        assert membership
        membership.role = "viewer"
        if end == "membership":
            db.session.delete(membership)
    db.session.commit()

    [outcome] = at_once(house.app, Gate(gate.write), [waiting])

    codes = {"session": "sign_in", "membership": "not_found", "role": "forbidden"}
    assert isinstance(outcome, DomainError)
    assert outcome.code == codes[end]
    assert db.session.query(Message).count() == 0


def test_who_posts_often_is_looked_up_once_and_noted_every_minute(
    house: House, mara: FlaskClient, db: SQLAlchemy
) -> None:
    def asked() -> tuple[int, int]:
        """How often the session was looked up, and how often its use was noted."""
        with statements() as run:
            posted = house.post(mara)
            posted.close()
        assert posted.status_code == 201
        wheres = ("user_sessions.token_hash =", "WHERE user_sessions.id =")
        return sum(wheres[0] in one for one in run), sum(wheres[1] in one for one in run if "SELECT" in one)

    assert [asked(), asked()] == [(1, 0), (0, 0)]
    [session] = db.session.scalars(select(UserSession))
    known = house.app.extensions["known_sessions"].get(session.token_hash)[1]
    session.seen_at = known.seen_at = long_ago = utcnow() - NOTED_EVERY
    db.session.commit()
    assert [asked(), asked()] == [(0, 1), (0, 0)]
    db.session.refresh(session)
    assert session.seen_at > long_ago


@pytest.mark.parametrize(
    ("end", "status"), [("session", 401), ("idle", 401), ("account", 401), ("membership", 404)]
)
def test_who_is_known_may_not_post_any_more(
    house: House, mara: FlaskClient, db: SQLAlchemy, end: str, status: int
) -> None:
    assert house.post(mara).status_code == 201
    if end == "session":
        [session] = db.session.scalars(select(UserSession))
        session.revoke()
    elif end == "idle":
        [session] = db.session.scalars(select(UserSession))
        known = house.app.extensions["known_sessions"].get(session.token_hash)[1]
        session.seen_at = known.seen_at = utcnow() - IDLE
    elif end == "account":
        db.session.get_one(User, house.mara.id).deactivated_at = utcnow()
    else:
        db.session.delete(Membership.of(house.project.id, house.mara.id))
    db.session.commit()

    for _ in range(2):  # being refused is no use of a session, which would begin anew by it
        refused = house.post(mara)
        refused.close()
        assert refused.status_code == status
    assert db.session.query(Message).count() == 1


@pytest.mark.parametrize("end", ["token", "account", "agent"])
def test_a_token_withdrawn_on_the_way_counts(house: House, db: SQLAlchemy, end: str) -> None:
    kind = "agent" if end == "agent" else "user"
    token, _ = factories.token(house.project, kind, who=house.mara if kind == "user" else None)
    caller = Principal(
        kind="agent" if kind == "agent" else "person",
        id=token.user_id,
        token_id=token.id,
        token_kind=kind,
        agent_key=token.agent_key,
        scopes=frozenset(token.scopes),
        roles={house.project.id: "member"},
    )
    key = token.agent_key
    draft = Draft.of(token.user_id, "hello", "a", agent_key=key)
    waiting = Post(caller, house.thread.id, draft)
    db.session.commit()
    [posted] = at_once(house.app, Gate(gate.write), [waiting])
    assert isinstance(posted, Message)
    if end == "token":
        token.revoke()
    elif end == "account":
        house.mara.deactivated_at = utcnow()
    else:
        house.bulma.archived_at = utcnow()
    db.session.commit()

    [outcome] = at_once(house.app, Gate(gate.write), [waiting])

    assert isinstance(outcome, DomainError)
    assert outcome.code in ("sign_in", "not_found")


class TestTurns:
    """Leading and following, without a database."""

    def test_posts_that_come_during_a_commit_share_the_next(
        self, house: House, post: Callable[..., Post]
    ) -> None:
        batches: list[int] = []
        first_began, all_wait = threading.Event(), threading.Event()

        def write(posts: Sequence[Post]) -> list[Message | DomainError]:
            batches.append(len(posts))
            first_began.set()
            all_wait.wait(5)
            return [Message(id=post.draft.id) for post in posts]

        door = Gate(write, batch=4)
        with ThreadPoolExecutor(11) as pool:
            leader = pool.submit(door.enter, post())
            first_began.wait(5)
            rest = [post() for _ in range(10)]
            waiting = [pool.submit(door.enter, one) for one in rest]
            while len(door._waiting) < 10:
                threading.Event().wait(0.001)
            all_wait.set()
            answers = [future.result(5) for future in waiting]
            leader.result(5)

        assert batches == [1, 4, 4, 2]
        assert [answer.id for answer in answers] == [one.draft.id for one in rest]

    def test_one_alone_does_not_wait_and_many_let_the_next_ones_join(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waited: list[float] = []
        gate: Gate[int, int] = Gate(lambda asked: asked)

        def gather(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 2:
                for number in range(MANY):
                    gate._join(number)

        monkeypatch.setattr("webapp.batching.time.sleep", gather)

        assert [gate.enter(number) for number in range(3)] == [0, 1, 2]
        assert waited == [0, 0, GATHERING]

    def test_who_waits_too_long_is_told_so_and_the_gate_goes_on(
        self, house: House, post: Callable[..., Post]
    ) -> None:
        began, go_on = threading.Event(), threading.Event()

        def write(posts: Sequence[Post]) -> list[Message | DomainError]:
            began.set()
            go_on.wait(5)
            return [Message(id=post.draft.id) for post in posts]

        door = Gate(write, patience=0.05)
        with ThreadPoolExecutor(2) as pool:
            leader = pool.submit(door.enter, post())
            began.wait(5)
            with pytest.raises(Busy):
                door.enter(post())
            go_on.set()
            leader.result(5)

        later = post()
        assert door.enter(later).id == later.draft.id

    def test_a_leader_that_breaks_takes_nobody_with_it(self, house: House, post: Callable[..., Post]) -> None:
        began, all_wait = threading.Event(), threading.Event()
        calls: list[int] = []

        def write(posts: Sequence[Post]) -> list[Message | DomainError]:
            calls.append(len(posts))
            if len(calls) == 1:
                began.set()
                all_wait.wait(5)
                raise RuntimeError("a bug")
            return [Message(id=post.draft.id) for post in posts]

        door = Gate(write)
        with ThreadPoolExecutor(2) as pool:
            leader = pool.submit(door.enter, post())
            began.wait(5)
            following = post()
            follower = pool.submit(door.enter, following)
            while not door._waiting:
                threading.Event().wait(0.001)
            all_wait.set()
            assert follower.result(5).id == following.draft.id
            with pytest.raises(RuntimeError, match="a bug"):
                leader.result(5)

    def test_a_busy_database_answers_all_at_once(self, house: House, post: Callable[..., Post]) -> None:
        calls: list[int] = []

        def write(posts: Sequence[Post]) -> list[Message | DomainError]:
            calls.append(len(posts))
            raise Busy("held")

        with house.app.app_context():
            outcomes = Gate(write)._outcomes([post(), post(), post()])

        assert all(isinstance(outcome, Busy) for outcome in outcomes)
        assert calls == [3]
