"""The real processes, killed at the worst moments: every delivery ends once, with one answer."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models import Delivery, Message, Worker
from models.base import db, reading
from models.crashpoint import KILLED
from queues.database import AWAY
from queues.sweeper import Sweeper
from queues.watchdog import Watchdog
from tests.queues.crew import Crew
from tests.support.forked import Forked
from tests.support.live import Live
from tests.support.processes import Process, wait_until

TEXT = "one two three four five six seven eight nine ten eleven twelve"
SCRIPT = {"delay": 0.05, "default": {"text": TEXT}}
QUICK = {"default": {"text": TEXT}}
POINTS = (
    "claim.after_commit",
    "delta.before:1",
    "delta.before:4",
    "finish.before_commit",
    "finish.after_commit",
)

pytestmark = pytest.mark.usefixtures("each_round")


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Callable[[dict], str]]:
    """`model(script)` starts a scripted endpoint, or gives the running one another script; its address."""
    process = Forked(
        "model", [sys.executable, "-m", "agents.scripted_server"], {"PYTHONUNBUFFERED": "1"}, tmp_path
    ).start()
    wait_until(lambda: "listening on" in process.log, what="the scripted model")
    found = re.search(r"listening on (\S+)", process.log)
    assert found

    def play(script: dict) -> str:
        httpx2.put(f"{found[1]}/_script", content=json.dumps(script)).raise_for_status()
        return found[1]

    yield play
    process.end()


@pytest.fixture
def work(live: Live, model: Callable[[dict], str]) -> Callable[..., Process]:
    """Start a real worker that asks the scripted endpoint."""

    def work(script: dict = QUICK, name: str = "worker", **variables: str) -> Process:
        endpoint = {"ANTHROPIC_API_KEY": "key", "ANTHROPIC_BASE_URL": model(script)}
        return live.start(name, "worker", **endpoint, **variables)

    return work


def wait_dead(process: Process) -> int:
    wait_until(lambda: not process.alive, 20, "the end of the process", 0.05)
    assert process.popen
    return process.popen.returncode


def workers() -> int:
    with reading(), Session(db.engine) as session:
        return session.scalar(select(func.count()).select_from(Worker)) or 0


def replies(delivery: Delivery) -> int:
    """How many messages an agent wrote in the thread."""
    with reading(), Session(db.engine) as session:
        query = select(func.count()).where(
            Message.thread_id == delivery.thread_id, Message.author_kind == "agent"
        )
        return session.scalar(query) or 0


def pause_outside_transaction(process: Process) -> None:
    """One that is stopped while it writes holds locks: then try another moment. A server that is still
    about to do what the process sent last is not seen."""

    def paused() -> bool:
        process.pause()
        try:
            db.session.execute(select(Delivery.id).with_for_update(nowait=True))
        except AWAY:
            process.resume()
            return False
        finally:
            db.session.rollback()
        return True

    wait_until(paused, what="a moment without a transaction")


def take_back(crew: Crew, delivery_id: UUID) -> None:
    """What the sweeper does once the lease has run out, without waiting for it."""
    crew.age(delivery_id, lease_until=1)
    Sweeper().sweep()


def taken_back(crew: Crew, delivery_id: UUID) -> bool:
    """False while a transaction that sleeps holds its rows."""
    try:
        take_back(crew, delivery_id)
    except AWAY:
        db.session.rollback()
        return False
    return crew.delivery(delivery_id).status != "delivered"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("point", POINTS)
def test_killed_at(point: str, crew: Crew, work: Callable[..., Process]) -> None:
    killed_at(point, crew, work)


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("point", ["delta.before:4", "finish.before_commit"])
def test_killed_beside_a_server(point: str, crew: Crew, work: Callable[..., Process]) -> None:
    killed_at(point, crew, work)


def killed_at(point: str, crew: Crew, work: Callable[..., Process]) -> None:
    """The worker dies there; once its lease has run out, another one ends the delivery."""
    asked = crew.ask()
    assert wait_dead(work(SCRIPT, CRASHPOINT=point)) == KILLED

    left = crew.delivery(asked)
    assert (left.status == "processed") == (point == "finish.after_commit")
    take_back(crew, asked)
    if crew.delivery(asked).status == "failed":
        assert left.partial, "only an answer that had begun fails"
        db.session.get_one(Delivery, asked).retry("Mara")
        db.session.commit()
    if left.status != "processed":
        work()

    ended = crew.wait(asked, "processed", timeout=20)
    assert replies(ended) == 1
    assert crew.answers() == [TEXT]
    assert crew.doing("trunks") == "idle"


@pytest.mark.databases("postgresql")
def test_a_killed_worker_loses_nothing_of_a_burst(crew: Crew, work: Callable[..., Process]) -> None:
    asked = [crew.ask(f"@trunks {number}") for number in range(30)]
    first = work({"default": {"text": TEXT, "first_delay": 0.2}})
    wait_until(lambda: crew.statuses().count("processed") >= 3, 20, "some answers")
    first.kill()

    for delivery_id in asked:
        if crew.delivery(delivery_id).status == "delivered":
            crew.age(delivery_id, lease_until=1)
    Sweeper().sweep()
    for delivery_id in asked:
        if crew.delivery(delivery_id).status == "failed":
            db.session.get_one(Delivery, delivery_id).retry("Mara")
            db.session.commit()
    work()
    crew.wait_all()

    assert set(crew.statuses()) == {"processed"}
    assert crew.answers() == [TEXT] * 30


def test_a_worker_that_slept_through_its_lease_changes_nothing(
    crew: Crew, work: Callable[..., Process]
) -> None:
    asked = crew.ask()
    sleeper = work({"default": {"text": TEXT}, "delay": 0.2})
    crew.wait(asked, "delivered", timeout=20)
    pause_outside_transaction(sleeper)
    wait_until(lambda: taken_back(crew, asked), 40, "the end of a transaction that sleeps")
    if crew.delivery(asked).status == "failed":
        db.session.get_one(Delivery, asked).retry("Mara")
        db.session.commit()
    work(QUICK, name="second")
    crew.wait(asked, "processed", timeout=20)

    sleeper.resume()
    assert sleeper.stop() == 0

    assert crew.answers() == [TEXT]
    assert crew.delivery(asked).attempts == 2


def test_sigterm_puts_back_what_is_unfinished_and_ends_well(crew: Crew, work: Callable[..., Process]) -> None:
    asked = crew.ask()
    worker = work({"default": {"text": TEXT, "delay": 30}})
    crew.wait(asked, "delivered", timeout=20)
    wait_until(lambda: workers() == 1, what="a heartbeat")

    worker.signal(15)
    wait_until(lambda: workers() == 0, what="a worker that took leave")
    assert worker.stop() == 0

    back = crew.delivery(asked)
    assert (back.status, back.attempts) == ("queued", 0)


def test_the_clock_ends_what_a_hanging_model_leaves_and_leaves_well(
    crew: Crew, live: Live, work: Callable[..., Process]
) -> None:
    """I4, with a watchdog of one second: the clock fails it, and the worker lets go."""
    asked = crew.ask()
    work({"default": {"text": TEXT, "first_delay": 600}})
    crew.wait(asked, "delivered", timeout=20)
    clocks = [live.start(name, "clock", WATCHDOG_SECONDS="1") for name in ("clock", "clock2")]
    wait_until(lambda: workers() == 3, 20, "both clocks, which then know how to leave")

    ended = crew.wait(asked, "failed", timeout=25)

    assert ended.reason == "Trunks did not answer in 1 seconds"
    assert crew.answers() == []
    assert [clock.stop() for clock in clocks] == [0, 0]


DUTIES = {
    # what is late, the duty that ends it, and how it then stands
    "sweeper": ({"lease_until": 1}, lambda: Sweeper().sweep(), ("queued", 1)),
    "watchdog": ({"progress_at": 200}, lambda: Watchdog(1).watch(), ("failed", 0)),
}


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("duty", DUTIES)
def test_what_a_clock_did_before_it_was_killed_is_done_once(crew: Crew, live: Live, duty: str) -> None:
    late, another_clock, becomes = DUTIES[duty]

    def overdue(text: str) -> UUID:
        asked = crew.ask(text)
        assert db.session.get_one(Delivery, asked).take()
        db.session.commit()
        crew.age(asked, **late)
        return asked

    first = overdue("@trunks one")
    soon = {"WATCHDOG_SECONDS": "1"} if duty == "watchdog" else {}
    assert wait_dead(live.start("clock", CRASHPOINT=f"clock.{duty}", **soon)) == KILLED
    second = overdue("@trunks two")

    assert another_clock() == 1, "the one that nobody had ended"
    ended = [crew.delivery(each) for each in (first, second)]
    assert [(each.status, each.losses) for each in ended] == [becomes, becomes]
    assert crew.answers() == []
