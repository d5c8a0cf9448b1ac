"""Events: each has a schema, a policy and a rate; wrong types are answered on their field."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from marshmallow import Schema

from models.base import db, utcnow
from models.errors import NotFound
from models.labs import write as write_labs
from models.policy import OPEN, ROLES, known
from models.project import Project
from models.session import UserSession
from models.thread import Thread
from models.user import Membership
from realtime import handlers
from realtime.callers import Caller
from realtime.handlers import EVENTS, Call
from realtime.server import _refuse_events_without_policy
from tests.realtime.conftest import House
from tests.realtime.world import World

sqlite_only = pytest.mark.databases("sqlite")
WRONG: list[Any] = [None, True, 7, 1.5, "", "x", [], [1], {}, {"a": {"b": []}}, -1, 2**60, "\ud800", "\0"]


def test_every_event_has_a_known_policy_a_schema_and_a_rate() -> None:
    assert set(EVENTS) == {"subscribe", "unsubscribe", "typing"}
    for event in EVENTS.values():
        assert known(event.policy)
        assert event.policy != OPEN
        assert isinstance(event.schema, Schema)
        assert event.rate[0] > 0


@pytest.mark.parametrize("policy", ["", "nobody.knows", OPEN])
def test_an_event_without_a_policy_cannot_be_registered(policy: str) -> None:
    with pytest.raises(ValueError, match="policy"):
        handlers.on("new", Schema, policy=policy, rate=(1, 1))


def test_the_process_does_not_start_with_an_event_without_a_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = handlers.Event(Schema(), "", (1, 1), lambda call: None)
    monkeypatch.setitem(EVENTS, "bare", bare)

    with pytest.raises(RuntimeError, match="bare"):
        _refuse_events_without_policy()


@sqlite_only
def test_wrong_types_in_every_event_are_answered_on_their_field(house: House) -> None:
    web = house.web()
    good: dict[str, dict[str, Any]] = {
        "subscribe": {"stream": f"user:{uuid4()}", "since": 0},
        "unsubscribe": {"stream": "x"},
        "typing": {"thread_id": str(uuid4())},
    }
    assert set(good) == set(EVENTS)
    for name, words in good.items():
        person = house.person(None)
        for field in [*words, "unknown"]:
            page = house.page(web, house.session(person))
            for wrong in WRONG:
                answer = page.ask(name, {**words, field: wrong})
                if not right(name, field, wrong):
                    assert answer["error"]["code"] == "invalid", (name, field, wrong, answer)
                    assert list(answer["error"]["fields"]) == [field]
            page.close()
    assert "Traceback" not in web.log


def right(name: str, field: str, value: Any) -> bool:
    """Whether a value of the list happens to be one that the event takes."""
    if (name, field) == ("unsubscribe", "stream"):
        return isinstance(value, str)  # any short text may be a name that nobody follows
    return field == "since" and (value is True or value == 7)


@sqlite_only
def test_a_payload_that_is_no_object_is_answered(house: House) -> None:
    page = house.page(house.web(), house.session(house.person(None)))

    for payload in (None, 7, "x", [], [{}], True):
        assert [page.ask(name, payload)["error"]["code"] for name in EVENTS] == ["invalid"] * 3


def test_a_stream_of_others_looks_like_one_that_does_not_exist(house: House) -> None:
    web, project, other = house.web(), house.project("ours"), house.project("theirs")
    owner = house.person(other, "owner")
    page = house.page(web, house.session(house.person(project)))
    theirs = [f"project:{other}", f"admin:{other}", f"admin:{project}", f"user:{owner}"]
    missing = [f"project:{uuid4()}", f"admin:{uuid4()}", f"user:{uuid4()}"]

    answers = [page.ask("subscribe", {"stream": name, "since": 0}) for name in [*theirs, *missing]]

    assert page.ask("subscribe", {"stream": f"project:{project}", "since": 0})["ok"]
    assert {str(answer) for answer in answers} == {str(answers[0])}
    assert answers[0]["error"]["code"] == "not_found"
    assert web.state()["streams"] == [f"project:{project}"]


def test_who_may_type_where(house: House) -> None:
    """Each role in a room with and without the flag, in a DM of its own and of somebody else."""
    web, project = house.web(), house.project()
    owner = house.person(project, "owner")
    people = {role: house.person(project, role) for role in ROLES}
    stranger = house.person(house.project("other"), "owner")
    room, dms = threads(house, project, {"own": people["member"], "other": owner})
    pages = {role: house.page(web, house.session(person)) for role, person in people.items()}
    pages["stranger"] = house.page(web, house.session(stranger))
    reader = house.page(web, house.session(owner), f"project:{project}")

    def code(role: str, thread: object) -> str:
        answer = pages[role].ask("typing", {"thread_id": str(thread)})
        return "ok" if answer["ok"] else answer["error"]["code"]

    assert {role: code(role, room) for role in pages} == {
        "viewer": "forbidden", "member": "ok", "operator": "ok", "owner": "ok", "stranger": "not_found",
    }  # fmt: skip
    assert code("member", dms["own"]) == "ok"
    assert [code(role, dms["other"]) for role in pages] == ["not_found"] * 5
    assert code("member", uuid4()) == "not_found"
    heard = [reader.wait("typing")["user_id"] for _ in range(3)]
    assert heard == [str(people[role]) for role in ("member", "operator", "owner")]

    with house.inside():
        write_labs(project, {"team_room": False})
    assert code("member", room) == "ok"
    reader.ask("unsubscribe", {"stream": "x"})
    assert "typing" not in [name for name, _ in reader.events]


def threads(house: House, project: UUID, owners: dict[str, UUID]) -> tuple[UUID, dict[str, UUID]]:
    with house.inside():
        write_labs(project, {"team_room": True, "dms": True})
        dms = {
            name: Thread(project_id=project, title="DM:goku", kind="dm", owner_user_id=owner)
            for name, owner in owners.items()
        }
        db.session.add_all(dms.values())
        db.session.flush()
        room = db.session.get_one(Project, project).room.id
        return room, {name: thread.id for name, thread in dms.items()}


@sqlite_only
def test_a_page_follows_a_stream_until_it_leaves_it(house: House) -> None:
    web, project = house.web(), house.project()
    stream = f"user:{house.person(project)}"
    page = house.page(web, house.session(UUID(stream[5:])))

    answer = page.follow(stream)

    assert answer["reset"] is False
    assert web.state()["streams"] == [stream]
    assert page.ask("unsubscribe", {"stream": stream}) == {"ok": True}
    assert web.state()["streams"] == []


@pytest.mark.parametrize("lost", ["membership", "session"])
def test_a_right_that_is_withdrawn_while_one_joins_is_seen(world: World, lost: str) -> None:
    """Between the first look and the join nobody's recheck would find it (I10)."""
    session, _ = UserSession.start(world.jonas, "127.0.0.1", "test")
    db.session.commit()
    caller = Caller("eio", world.jonas.id, session_id=session.id, until=utcnow())
    standing = caller.standing()
    assert standing
    db.session.rollback()
    joined: list[str] = []

    class Desk:
        def join(self, caller: Caller, stream: str) -> None:
            joined.append(stream)
            if lost == "membership":
                db.session.delete(Membership.of(world.project.id, world.jonas.id))
            else:
                db.session.get_one(UserSession, session.id).revoke()
            db.session.commit()

        def leave(self, caller: Caller, stream: str) -> None:
            joined.remove(stream)

        def tell(self, event: str, payload: Any, stream: str, but: Caller) -> None: ...

    with pytest.raises(NotFound):
        handlers.subscribe(Call(caller, standing.principal, Desk()), f"project:{world.project.id}", 0)

    assert joined == []
