"""Every delivery has a fate, and only who holds its lease may write it."""

from datetime import timedelta

import pytest
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import update

from models import Agent, Delivery, Message, Worker, db
from models.base import changed_rows, changes_of, db_now, utcnow
from models.delivery import LONGEST_PAST, MAX_ATTEMPTS
from models.errors import Conflict
from models.message import Answer
from tests.models.conftest import Room


def addressed(room: Room, text: str = "@trunks are you there?") -> Delivery:
    [delivery] = room.say(text).deliveries
    return delivery


def taken(room: Room) -> tuple[Delivery, str]:
    delivery = addressed(room)
    assert delivery.take()
    assert delivery.lease_token
    return delivery, delivery.lease_token


def age(delivery: Delivery, column: str, seconds: float) -> None:
    """Move one of the row's times into the past, as waiting would."""
    changed_rows(update(Delivery).where(Delivery.id == delivery.id).values({column: db_now(-seconds)}))
    from models import db

    db.session.expire(delivery)


def worker(db: SQLAlchemy, slots: int = 4, busy: int = 0) -> Worker:
    row = Worker(queue="chat", host="here", pid=1, slots=slots, busy=busy, seen_at=utcnow())
    db.session.add(row)
    db.session.flush()
    return row


def test_only_one_worker_takes_a_delivery(room: Room) -> None:
    delivery = addressed(room)

    assert delivery.take()
    assert not delivery.take()
    assert delivery.attempts == 1


def test_claiming_takes_the_oldest_first_and_no_more_than_asked(room: Room) -> None:
    first, second, third = (addressed(room) for _ in range(3))

    assert [d.id for d in Delivery.claim(2)] == [first.id, second.id]
    assert [d.id for d in Delivery.claim(2)] == [third.id]


def test_those_taken_together_leave_out_what_another_worker_has(room: Room) -> None:
    first, second, third = (addressed(room) for _ in range(3))
    assert second.take()
    lease = second.lease_token

    taken = Delivery.take_all([third, second, first])

    assert taken == [third, first]
    assert len({first.lease_token, second.lease_token, third.lease_token}) == 3
    assert second.lease_token == lease
    assert [d.message.status for d in (first, second, third)] == ["delivered"] * 3
    assert {change.row.id for change in changes_of(db.session())} >= {first.id, first.message_id, third.id}


def test_an_external_agents_deliveries_are_not_claimed_by_our_worker(room: Room) -> None:
    Agent.provision(room.project.id, "piccolo", "Piccolo", runtime="external")

    addressed(room, "@piccolo hello")

    assert Delivery.claim(5) == []


def test_an_answer_becomes_a_message_with_the_id_that_was_promised(room: Room, db: SQLAlchemy) -> None:
    delivery, token = taken(room)

    assert delivery.finish(token, Answer.of("Yes, **here**."), {"output": 4})
    db.session.commit()

    answer = db.session.get_one(Message, delivery.reply_id)
    assert (answer.author, answer.seq) == ("agent:trunks", 2)
    assert "<strong>here</strong>" in answer.content_html
    assert delivery.status == "processed"
    assert delivery.message.status == "read"


def test_a_write_under_an_old_token_changes_nothing(room: Room, db: SQLAlchemy) -> None:
    delivery, old = taken(room)
    age(delivery, "lease_until", 1)
    assert delivery.lost()
    assert delivery.take()

    assert not delivery.finish(old, Answer.of("late"), {})
    assert not delivery.fail("late", old)
    assert not delivery.put_back(old)
    assert not Delivery.progress(old, "late")
    assert Delivery.renew([old]) == {}
    db.session.commit()

    assert delivery.status == "delivered"
    assert db.session.get(Message, delivery.reply_id) is None


def test_a_lost_lease_without_text_goes_back_to_the_queue(room: Room) -> None:
    delivery, _ = taken(room)

    age(delivery, "lease_until", 1)

    assert [d.id for d in Delivery.with_lost_lease()] == [delivery.id]
    assert delivery.lost()
    assert delivery.status == "queued"


def test_a_lost_lease_after_text_fails_and_says_why(room: Room) -> None:
    delivery, token = taken(room)
    assert Delivery.progress(token, "half an ans")
    age(delivery, "lease_until", 1)

    assert delivery.lost()

    assert delivery.status == "failed"
    assert delivery.reason == "The worker stopped while it answered"
    assert delivery.message.status == "failed"


def test_a_delivery_that_kills_its_workers_is_not_tried_for_ever(room: Room) -> None:
    delivery = addressed(room)

    for _ in range(MAX_ATTEMPTS):
        assert delivery.take()
        delivery.lost()

    assert delivery.status == "failed"


def test_a_worker_that_stops_gives_back_without_counting(room: Room) -> None:
    delivery, token = taken(room)

    assert delivery.put_back(token)

    assert (delivery.status, delivery.attempts) == ("queued", 0)


def test_retry_is_for_failed_ones_only(room: Room) -> None:
    delivery = addressed(room)
    with pytest.raises(Conflict):
        delivery.retry("Mara")
    assert delivery.fail("no answer")
    assert delivery.message.status == "failed"

    delivery.retry("Mara")

    assert delivery.status == "queued"
    assert delivery.message.status == "sent"
    assert delivery.reason is None


def told(delivery: Delivery) -> list[str]:
    times = [at for at, _ in delivery.history]
    assert times == sorted(times)
    return [said for _, said in delivery.history]


def test_each_attempt_is_remembered(room: Room, db: SQLAlchemy) -> None:
    delivery, token = taken(room)
    delivery.put_back(token)
    assert delivery.take()
    delivery.lost()
    assert delivery.take()
    delivery.fail("no answer")
    delivery.retry("Mara")
    db.session.commit()
    assert delivery.take()
    assert delivery.lease_token
    delivery.finish(delivery.lease_token, Answer.of("Here."), {})
    db.session.commit()

    assert told(delivery) == [
        "Queued",
        "Delivered",
        "The worker stopped, queued again",
        "Delivered",
        "The worker was lost, queued again",
        "Delivered, attempt 2",
        "Failed: no answer",
        "Tried again by Mara",
        "Delivered, attempt 3",
        "Processed",
    ]


def test_of_the_past_only_the_last_is_kept(room: Room) -> None:
    delivery = addressed(room)

    for number in range(LONGEST_PAST):
        delivery.fail(f"no answer {number}")
        delivery.retry("Mara")

    last = f"no answer {LONGEST_PAST - 1}"
    assert len(delivery.past) == LONGEST_PAST
    assert told(delivery)[-2:] == [f"Failed: {last}", "Tried again by Mara"]


def test_another_answer_comes_beside_the_first(room: Room, db: SQLAlchemy) -> None:
    delivery, token = taken(room)
    first = delivery.reply_id
    delivery.finish(token, Answer.of("One."), {})

    delivery.regenerate("Jonas")
    assert (delivery.status, delivery.message.status) == ("queued", "sent")
    assert delivery.take()
    assert not delivery.finish(token, Answer.of("late"), {})
    delivery.finish(delivery.lease_token or "", Answer.of("Two."), {})
    db.session.commit()

    said = [db.session.get_one(Message, id).content for id in (first, delivery.reply_id)]
    assert said == ["One.", "Two."]
    assert told(delivery)[2:4] == ["Processed", "Another answer was asked for by Jonas"]


def test_another_answer_is_for_what_was_answered(room: Room) -> None:
    delivery, token = taken(room)
    with pytest.raises(Conflict, match="delivered already"):
        delivery.regenerate("Mara")
    delivery.fail("no answer", token)
    with pytest.raises(Conflict, match="failed already"):
        delivery.regenerate("Mara")


def test_what_was_deleted_is_not_answered_again(room: Room) -> None:
    delivery, token = taken(room)
    delivery.finish(token, Answer.of("One."), {})
    delivery.message.delete(room.mara)

    with pytest.raises(Conflict, match="the message was deleted"):
        delivery.regenerate("Mara")
    assert delivery.status == "processed"


def test_what_was_deleted_is_not_tried_again(room: Room) -> None:
    delivery = addressed(room)
    assert delivery.fail("no answer")
    delivery.message.delete(room.mara)

    with pytest.raises(Conflict, match="the message was deleted"):
        delivery.retry("Mara")
    assert delivery.status == "failed"


def test_stopping_one_that_waits_ends_it_at_once(room: Room) -> None:
    delivery = addressed(room)

    delivery.stop("Mara")

    assert (delivery.status, delivery.stopped_by) == ("processed", "Mara")
    with pytest.raises(Conflict):
        delivery.stop("Mara")


def test_a_stop_reaches_the_worker_with_its_next_renewal(room: Room) -> None:
    delivery, token = taken(room)

    delivery.stop("Mara")

    assert delivery.status == "delivered"
    assert Delivery.renew([token]) == {token: "stopped"}


def test_a_stopped_answer_keeps_its_text_and_calls_nobody(room: Room, db: SQLAlchemy) -> None:
    delivery, token = taken(room)

    delivery.finish(token, Answer.of("I was about to ask @bulma"), {"output": 6}, stopped_by="Mara")

    answer = db.session.get_one(Message, delivery.reply_id)
    assert answer.meta == {"stopped_by": "Mara"}
    assert answer.deliveries == []


def test_a_stop_of_a_lost_worker_keeps_what_was_said(room: Room, db: SQLAlchemy) -> None:
    delivery, token = taken(room)
    Delivery.progress(token, "so far")
    delivery.stop("Mara")
    age(delivery, "lease_until", 1)

    assert delivery.lost()

    assert delivery.status == "processed"
    assert db.session.get_one(Message, delivery.reply_id).content == "so far"


class TestWatchdog:
    def test_a_queued_one_ages_only_while_somebody_free_could_take_it(
        self, room: Room, db: SQLAlchemy
    ) -> None:
        delivery = addressed(room)

        assert Delivery.age() == 0
        full = worker(db, slots=1, busy=1)
        assert Delivery.age() == 0
        full.busy = 0
        db.session.flush()
        assert Delivery.age() == 1
        db.session.refresh(delivery)
        assert delivery.aging_since is not None

    def test_it_stops_ageing_when_the_executor_goes(self, room: Room, db: SQLAlchemy) -> None:
        delivery = addressed(room)
        row = worker(db)
        Delivery.age()
        row.seen_at = utcnow() - timedelta(minutes=1)
        db.session.flush()

        Delivery.age()

        db.session.refresh(delivery)
        assert delivery.aging_since is None

    def test_what_aged_for_two_minutes_is_overdue(self, room: Room) -> None:
        delivery = addressed(room)
        age(delivery, "aging_since", 119)
        assert Delivery.overdue() == []

        age(delivery, "aging_since", 121)

        assert Delivery.overdue() == [delivery]

    def test_progress_keeps_a_slow_answer_alive(self, room: Room, db: SQLAlchemy) -> None:
        delivery, token = taken(room)
        age(delivery, "progress_at", 121)
        assert Delivery.overdue() == [delivery]

        Delivery.progress(token, "still writing")

        assert Delivery.overdue() == []

    def test_one_that_waits_for_an_offline_executor_is_never_overdue(self, room: Room) -> None:
        delivery = addressed(room)

        age(delivery, "created_at", 86_400)

        assert Delivery.overdue() == []


def test_a_message_to_two_agents_is_read_when_both_have_answered(room: Room) -> None:
    message = room.say("@trunks @bulma status?")
    first, second = message.deliveries
    assert message.status == "sent"

    first.take()
    assert message.status == "sent"
    second.take()
    assert message.status == "delivered"
    first.finish(first.lease_token or "", Answer.of("ok"), {})
    assert message.status == "delivered"
    second.finish(second.lease_token or "", Answer.of("ok"), {})
    assert message.status == "read"
