"""Watchdog, sweeper and pruning: what is late ends once, however many clocks look."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import insert, select, update
from sqlalchemy.exc import OperationalError

from models import (
    Agent,
    Attachment,
    Delivery,
    ExecutorRequest,
    IdempotencyKey,
    LoginAttempt,
    Stream,
    StreamChange,
)
from models.base import changed_rows, db, db_now, utcnow
from models.delivery import LEASE_SECONDS, MAX_ATTEMPTS
from models.message import Answer
from queues import pruning
from queues.clock import Clock, Duty
from queues.sweeper import Sweeper
from queues.watchdog import Watchdog, in_words
from tests import factories
from tests.queues.crew import Crew


def taken(crew: Crew, text: str = "@trunks hello") -> UUID:
    delivery_id = crew.ask(text)
    assert db.session.get_one(Delivery, delivery_id).take()
    db.session.commit()
    return delivery_id


def watch() -> int:
    return Watchdog(120).watch()


def sweep() -> int:
    return Sweeper().sweep()


class TestWatchdog:
    def test_an_answer_without_progress_for_two_minutes_fails(self, crew: Crew) -> None:
        silent, moving = taken(crew), taken(crew)
        crew.age(silent, progress_at=121)
        crew.age(moving, progress_at=119)

        assert watch() == 1

        assert crew.delivery(silent).reason == "Trunks did not answer in two minutes"
        assert crew.delivery(moving).status == "delivered"

    def test_what_waits_while_a_worker_is_free_fails(self, crew: Crew) -> None:
        crew.worker()
        waiting = crew.ask()

        assert watch() == 0
        crew.age(waiting, aging_since=121)

        assert watch() == 1
        assert crew.delivery(waiting).status == "failed"

    def test_a_build_that_does_not_age_what_waits_is_caught(
        self, crew: Crew, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The control of the test above: without age(), a waiting delivery never becomes overdue."""
        monkeypatch.setattr(Delivery, "age", classmethod(lambda cls: 0))
        crew.worker()
        waiting = crew.ask()

        watch()

        assert crew.delivery(waiting).aging_since is None

    @pytest.mark.parametrize("worker", [None, {"slots": 4, "busy": 4}, {"seen": 60.0}])
    def test_what_waits_for_an_executor_does_not_age(self, crew: Crew, worker: dict | None) -> None:
        if worker is not None:
            crew.worker(**worker)
        waiting = crew.ask()
        crew.age(waiting, aging_since=600)

        assert watch() == 0

        assert crew.delivery(waiting).status == "queued"
        assert crew.delivery(waiting).aging_since is None

    def test_a_row_that_moved_after_it_was_found_is_left_alone(
        self, crew: Crew, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = taken(crew)
        crew.age(found, progress_at=121)
        look = Delivery.overdue.__func__

        def overdue(cls: type[Delivery], seconds: float, only: UUID | None = None) -> list[Delivery]:
            rows: list[Delivery] = look(cls, seconds, only)
            if only is None:
                db.session.rollback()
                with ThreadPoolExecutor(1) as other:
                    other.submit(progressed).result()
            return rows

        engine = db.engine

        def progressed() -> None:
            with engine.begin() as connection:
                connection.execute(update(Delivery).values(progress_at=db_now()))

        monkeypatch.setattr(Delivery, "overdue", classmethod(overdue))

        assert watch() == 0
        assert crew.delivery(found).status == "delivered"

    def test_two_watchdogs_fail_it_once(self, crew: Crew, app: Flask) -> None:
        late = [taken(crew, f"@trunks {number}") for number in range(5)]
        for delivery_id in late:
            crew.age(delivery_id, progress_at=200)

        assert sum(at_once(app, watch)) == 5
        assert set(crew.statuses()) == {"failed"}

    def test_a_broken_row_does_not_stop_the_rest(self, crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
        broken, good = taken(crew), taken(crew)
        for delivery_id in (broken, good):
            crew.age(delivery_id, progress_at=200)
        fail = Delivery.fail

        def stumbling(self: Delivery, reason: str) -> bool:
            if self.id == broken:
                raise RuntimeError("a broken row")
            return fail(self, reason)

        monkeypatch.setattr(Delivery, "fail", stumbling)
        watchdog = Watchdog(120)

        assert watchdog.watch() == 1
        assert crew.delivery(good).status == "failed"
        monkeypatch.undo()
        assert watchdog.watch() == 0, "it is left alone for a while"
        assert Watchdog(120).watch() == 1

    @pytest.mark.databases("postgresql")
    def test_a_row_that_somebody_holds_does_not_stop_the_rest(self, crew: Crew) -> None:
        """A worker that hangs inside a transaction holds its row; SQLite has one lock for all."""
        held, good = taken(crew), taken(crew)
        for delivery_id in (held, good):
            crew.age(delivery_id, progress_at=200)
        with db.engine.connect() as other:
            other.execute(select(Delivery.id).where(Delivery.id == held).with_for_update())

            assert watch() == 1

        assert crew.delivery(good).status == "failed"
        assert watch() == 1

    def test_the_agent_rests_when_its_last_answer_failed(self, crew: Crew) -> None:
        late = taken(crew)
        agent = Agent.by_key(crew.project.id, "trunks")
        assert agent is not None
        agent.state.say("writing")
        db.session.commit()
        crew.age(late, progress_at=200)

        watch()

        assert crew.doing("trunks") == "idle"

    def test_a_request_that_nobody_carries_out_fails(self, crew: Crew) -> None:
        crew.worker()
        request = ExecutorRequest.ask(crew.project.id, "agent_provision", {}, crew.mara.id)
        db.session.commit()
        assert watch() == 0
        changed_rows(update(ExecutorRequest).values(aging_since=db_now(-121)))
        db.session.commit()

        assert watch() == 1

        db.session.refresh(request)
        assert request.result == {"reason": "The executor did not take it in two minutes"}

    def test_the_reason_tells_the_time_that_was_waited(self) -> None:
        assert in_words(120.0) == "two minutes"
        assert in_words(2.5) == "2.5 seconds"


class TestSweeper:
    def test_a_lost_lease_before_any_text_is_queued_again(self, crew: Crew) -> None:
        lost, held = taken(crew), taken(crew)
        crew.age(lost, lease_until=1)

        assert sweep() == 1

        assert (crew.delivery(lost).status, crew.delivery(lost).losses) == ("queued", 1)
        assert crew.delivery(held).status == "delivered"

    def test_a_lost_lease_with_text_fails_and_keeps_it(self, crew: Crew) -> None:
        lost = taken(crew)
        Delivery.progress(crew.delivery(lost).lease_token or "", "half an answer")
        db.session.commit()
        crew.age(lost, lease_until=1)

        sweep()

        assert crew.delivery(lost).reason == "The worker stopped while it answered"
        assert crew.delivery(lost).partial == "half an answer"

    def test_what_was_stopped_ends_with_its_text_which_no_lock_waits_for(
        self, crew: Crew, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lost = taken(crew)
        Delivery.progress(crew.delivery(lost).lease_token or "", "half an **answer**")
        db.session.get_one(Delivery, lost).stop("Mara")
        db.session.commit()
        crew.age(lost, lease_until=1)
        locked: list[bool] = []
        render = Answer.of
        monkeypatch.setattr(
            Answer, "of", lambda text: (locked.append(db.session().in_transaction()), render(text))[1]
        )

        assert sweep() == 1

        assert crew.delivery(lost).stopped_by == "Mara"
        assert crew.answers() == ["half an **answer**"]
        assert locked == [False]

    def test_one_that_is_lost_again_and_again_fails(self, crew: Crew) -> None:
        lost = crew.ask()
        for _ in range(MAX_ATTEMPTS):
            assert db.session.get_one(Delivery, lost).take()
            db.session.commit()
            crew.age(lost, lease_until=1)
            sweep()

        assert crew.delivery(lost).status == "failed"

    def test_two_sweepers_take_it_back_once(self, crew: Crew, app: Flask) -> None:
        for number in range(5):
            crew.age(taken(crew, f"@trunks {number}"), lease_until=1)

        assert sum(at_once(app, sweep)) == 5
        assert {crew.delivery(d).losses for d in all_deliveries()} == {1}

    def test_after_an_outage_the_leases_get_time(self, crew: Crew) -> None:
        lost = taken(crew)
        crew.age(lost, lease_until=1)
        now = 1000.0
        sweeper = Sweeper(lambda: now)

        now += 60
        assert sweeper.sweep() == 0, "it was away for a minute"
        for _ in range(11):
            now += 5
            assert sweeper.sweep() == 0
        now += 5
        assert sweeper.sweep() == 1

    def test_an_outage_of_the_database_counts_like_its_own(
        self, crew: Crew, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        crew.age(taken(crew), lease_until=1)
        now = 1000.0
        sweeper = Sweeper(lambda: now)

        def away(only: UUID | None = None) -> list[Delivery]:
            raise OperationalError("select", {}, Exception("gone"))

        monkeypatch.setattr(Delivery, "with_lost_lease", away)
        for _ in range(4):
            now += 5
            with pytest.raises(OperationalError):
                sweeper.sweep()
        monkeypatch.undo()
        now += 1
        assert sweeper.sweep() == 0
        now += LEASE_SECONDS / 2 - 1
        assert sweeper.sweep() == 0
        now += LEASE_SECONDS / 2 - 1
        assert sweeper.sweep() == 0
        now += 3
        assert sweeper.sweep() == 1


def all_deliveries() -> list[UUID]:
    found = list(db.session.scalars(select(Delivery.id)))
    db.session.rollback()
    return found


def at_once(app: Flask, do: Callable[[], int]) -> list[int]:
    """Two clocks at the same moment; one that finds the database busy looks again."""
    start = threading.Barrier(2)

    def run() -> int:
        with app.app_context():
            start.wait()
            return do() + do()

    with ThreadPoolExecutor(2) as pool:
        return [future.result() for future in [pool.submit(run), pool.submit(run)]]


class TestPruning:
    def test_old_changes_go_and_the_floor_says_how_far(self, crew: Crew) -> None:
        stream = f"project:{crew.project.id}"
        crew.ask()
        head = heads()[stream][0]
        changed_rows(
            update(StreamChange)
            .where(StreamChange.seq <= head - 2)
            .values(created_at=utcnow() - timedelta(days=3))
        )
        db.session.commit()

        pruning.prune()

        left = db.session.scalars(select(StreamChange.seq).where(StreamChange.stream == stream))
        assert sorted(left) == [head - 1, head]
        assert heads()[stream] == (head, head - 2)

    def test_long_logs_go_in_pieces(self, crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pruning, "AT_ONCE", 10)
        old = utcnow() - timedelta(days=3)
        rows = [
            {"stream": "user:x", "seq": n, "table": "users", "row_id": crew.mara.id, "op": "update"}
            for n in range(1, 36)
        ]
        db.session.add(Stream(name="user:x", head=35))
        db.session.flush()
        db.session.execute(insert(StreamChange), [row | {"created_at": old} for row in rows])
        db.session.commit()

        assert pruning.prune_changes(utcnow() - timedelta(days=2)) == 35
        assert heads()["user:x"] == (35, 35)

    def test_answers_attempts_and_dead_workers_go_when_their_time_is_up(self, crew: Crew) -> None:
        now = utcnow()
        for age in (timedelta(0), timedelta(days=8)):
            db.session.add(
                IdempotencyKey(
                    principal="p", key=str(age), request_hash="h", status=201, answer={}, created_at=now - age
                )
            )
            db.session.add(LoginAttempt(account_hash="a", address="here", created_at=now - age))
        crew.worker(seen=0)
        crew.worker(seen=2 * 86400)

        assert pruning.prune() == 3
        assert pruning.prune() == 0

    def test_a_file_that_nobody_posted_goes_once_however_many_clocks_look(
        self, crew: Crew, app: Flask
    ) -> None:
        for _ in range(3):
            factories.attachment(crew.project.room, crew.mara)
        long_ago = utcnow() - timedelta(hours=25)
        changed_rows(update(Attachment).values(created_at=long_ago))
        db.session.commit()

        assert sum(at_once(app, lambda: pruning.prune_files(utcnow()))) == 3
        assert db.session.scalar(select(Attachment.id)) is None


def heads() -> dict[str, tuple[int, int]]:
    rows = db.session.execute(select(Stream.name, Stream.head, Stream.floor)).all()
    db.session.rollback()
    return {name: (head, floor) for name, head, floor in rows}


def test_the_clock_goes_on_when_a_duty_fails(crew: Crew, app: Flask) -> None:
    done = threading.Event()

    def broken() -> int:
        raise RuntimeError("broken")

    def works() -> int:
        done.set()
        return 0

    clock = Clock(app, [Duty("broken", 0.01, broken), Duty("works", 0.01, works)])
    thread = threading.Thread(target=clock.run, daemon=True)
    thread.start()

    assert done.wait(5)
    clock.stop()
    thread.join(5)
    assert not thread.is_alive()
