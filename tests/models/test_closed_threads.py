"""Where a flag is off, or the project put away, no agent answers until that is undone."""

from collections.abc import Callable

import pytest
from flask_sqlalchemy import SQLAlchemy

from models import Agent, Delivery, Draft, Message, ProjectSetting, Thread, Worker, labs
from models.message import Answer
from models.posting import post
from queues.sweeper import Sweeper
from queues.watchdog import Watchdog
from tests.models.conftest import Room

Switch = Callable[[Room], object]


def switched_off(room: Room) -> None:
    labs.write(room.project.id, {"team_room": False})


def switched_on(room: Room) -> None:
    labs.write(room.project.id, {"team_room": True})


def put_away(room: Room) -> None:
    room.project.archive()


def taken_out(room: Room) -> None:
    room.project.archived_at = None


CLOSINGS = pytest.mark.parametrize(
    ("close", "open_again"), [(switched_off, switched_on), (put_away, taken_out)], ids=["flag", "archive"]
)


def asked(room: Room, db: SQLAlchemy, agent: str = "trunks") -> Delivery:
    [delivery] = room.say(f"@{agent} hello").deliveries
    db.session.commit()
    return delivery


def dm_of(room: Room, db: SQLAlchemy) -> Thread:
    thread = Thread(project_id=room.project.id, title="DM:trunks", kind="dm", owner_user_id=room.mara.id)
    db.session.add(thread)
    db.session.flush()
    return thread


def status_line(room: Room, key: str) -> str:
    agent = Agent.by_key(room.project.id, key)
    assert agent
    return agent.state.status


@CLOSINGS
def test_what_waits_there_is_handed_to_nobody(
    room: Room, db: SQLAlchemy, close: Switch, open_again: Switch
) -> None:
    delivery = asked(room, db)
    agent = Agent.by_key(room.project.id, "trunks")
    assert agent
    assert Delivery.next_for(agent) == delivery.id

    close(room)
    db.session.commit()

    assert (Delivery.waiting(5), Delivery.claim(5), Delivery.next_for(agent)) == ([], [], None)
    assert not delivery.take()

    open_again(room)
    db.session.commit()
    assert Delivery.claim(5) == [delivery]


@CLOSINGS
def test_what_is_answered_there_waits_again_and_a_late_answer_changes_nothing(
    room: Room, db: SQLAlchemy, close: Switch, open_again: Switch
) -> None:
    delivery = asked(room, db)
    assert delivery.take()
    token = delivery.lease_token or ""
    Delivery.progress(token, "half an ans")
    agent = Agent.by_key(room.project.id, "trunks")
    assert agent
    agent.state.say("writing")
    db.session.commit()

    close(room)
    db.session.commit()

    assert (delivery.status, delivery.partial, delivery.losses) == ("queued", "", 0)
    assert status_line(room, "trunks") == "idle"
    assert Delivery.renew([token]) == {}
    assert not delivery.finish(token, Answer.of("an answer"), {})
    assert len(Message.page(room.thread.id)) == 1

    open_again(room)
    assert delivery.take()
    assert delivery.attempts == 2, "a report of the first attempt must not pass for the second"


@CLOSINGS
def test_nobody_is_blamed_for_the_time_that_it_was_closed(
    room: Room, db: SQLAlchemy, close: Switch, open_again: Switch
) -> None:
    db.session.add(Worker(queue="chat", host="here", pid=1, slots=4))
    delivery = asked(room, db)
    assert Delivery.age() == 1

    close(room)
    db.session.commit()
    assert Watchdog(0.0).watch() == 0
    db.session.refresh(delivery)
    assert (delivery.status, delivery.aging_since) == ("queued", None)

    open_again(room)
    db.session.commit()
    assert Delivery.age() == 1


def test_what_a_person_stopped_is_not_begun_again(room: Room, db: SQLAlchemy) -> None:
    delivery = asked(room, db)
    delivery.take()
    delivery.stop("Mara")

    switched_off(room)

    assert delivery.status == "delivered"
    assert delivery.finish(delivery.lease_token or "", Answer.of("until h"), {}, stopped_by="Mara")


def test_each_kind_of_thread_has_its_own_flag(room: Room, db: SQLAlchemy) -> None:
    asked(room, db)
    post(dm_of(room, db), Draft.of(room.mara.id, "@trunks between us", "dm"))
    db.session.commit()
    labs.write(room.project.id, {"dms": False})
    assert [delivery.thread_id for delivery in Delivery.claim(5)] == [room.thread.id]

    labs.write(room.project.id, {"dms": True, "team_room": False})

    assert [delivery.thread_id for delivery in Delivery.claim(5)] != [room.thread.id]
    assert [d.status for d in db.session.query(Delivery).where(Delivery.thread_id == room.thread.id)] == [
        "queued"
    ]


def test_an_agent_that_still_answers_elsewhere_does_not_rest(room: Room, db: SQLAlchemy) -> None:
    asked(room, db).take()
    [private] = post(dm_of(room, db), Draft.of(room.mara.id, "@trunks between us", "dm")).deliveries
    private.take()
    agent = Agent.by_key(room.project.id, "trunks")
    assert agent
    agent.state.say("writing")
    db.session.commit()

    switched_off(room)

    assert (private.status, status_line(room, "trunks")) == ("delivered", "writing")


def test_what_was_taken_in_the_moment_of_the_closing_is_put_back_by_the_sweeper(
    room: Room, db: SQLAlchemy
) -> None:
    delivery = asked(room, db)
    delivery.take()
    flags = labs.read(room.project.id) | {"team_room": False}
    ProjectSetting.write(room.project.id, labs.SETTING, flags)
    db.session.commit()

    assert Sweeper().sweep() == 1

    db.session.refresh(delivery)
    assert delivery.status == "queued"
