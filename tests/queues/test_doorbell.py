"""Redis is a doorbell: rung, it makes work begin at once; absent, ill or emptied, work goes on."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask import Flask, current_app
from rq import Queue
from rq.serializers import JSONSerializer

from agents.provider import ProviderSettings
from agents.wire import Say
from models import Delivery, db
from models.errors import Busy
from models.message import Answer
from queues import doorbell, listener, loop
from queues.actions.worker import Doing, RunWorker
from queues.chat import ChatWorker
from queues.doorbell import LOOK, WorkerBell, channel, ring_once, rq_queue
from tests.queues.conftest import Published, Running
from tests.queues.crew import Crew
from tests.support.databases import SECRET_KEY
from tests.support.processes import wait_until
from tests.support.redis import RedisServer

Start = Callable[..., Running]

QUEUE = rq_queue(SECRET_KEY)


class Counting:
    """Counts how often it was rung."""

    rung = 0

    def ring(self) -> None:
        self.rung += 1


class Timed(WorkerBell):
    """Knows the longest time that a commit was held up by ringing, in seconds."""

    longest = 0.0

    def ring(self) -> None:
        began = time.monotonic()
        super().ring()
        self.longest = max(self.longest, time.monotonic() - began)


@pytest.fixture
def hello(start: Start, app: Flask, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Start a worker beside a Redis that the test may harm, which the test's own commits ring."""
    monkeypatch.setitem(app.extensions["bells"], "chat", Timed(redis_server.url, QUEUE))

    def hello(**settings: object) -> Running:
        return start(lambda body: Say("hello"), REDIS_URL=redis_server.url, **settings)

    return hello


@pytest.fixture
def only_by_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker does not look by itself, so that what is answered was rung for."""
    monkeypatch.setattr(loop, "LOOK_SECONDS", 600.0)


def listening(server: RedisServer) -> bool:
    with redis.Redis.from_url(server.url) as client:
        return any(line["cmd"] == "blmove" for line in client.client_list())


def job_count(server: RedisServer) -> int:
    with redis.Redis.from_url(server.url) as client:
        return Queue(QUEUE, connection=client, serializer=JSONSerializer).count


@pytest.mark.usefixtures("only_by_ring")
@pytest.mark.databases("sqlite")
class TestRung:
    def test_a_message_is_answered_at_once(self, crew: Crew, hello: Start, redis_server: RedisServer) -> None:
        hello()
        wait_until(lambda: listening(redis_server), what="a listening worker")

        crew.wait(crew.ask(), "processed", timeout=2)

    def test_rings_go_on_after_redis_was_emptied(
        self, crew: Crew, hello: Start, redis_server: RedisServer
    ) -> None:
        hello()
        wait_until(lambda: listening(redis_server), what="a listening worker")
        redis_server.flush()

        crew.wait(crew.ask(), "processed", timeout=2)

    def test_rings_are_heard_again_when_redis_is_back(
        self, crew: Crew, hello: Start, redis_server: RedisServer
    ) -> None:
        hello()
        wait_until(lambda: listening(redis_server), what="a listening worker")
        redis_server.restart()
        wait_until(lambda: listening(redis_server), 15, "a listening worker")

        crew.wait(crew.ask(), "processed", timeout=2)

    def test_doubled_foreign_and_broken_jobs_do_no_harm(
        self, crew: Crew, hello: Start, redis_server: RedisServer
    ) -> None:
        with redis.Redis.from_url(redis_server.url) as client:
            jobs = Queue(QUEUE, connection=client, serializer=JSONSerializer)
            for _ in range(10):
                jobs.enqueue_call(LOOK, result_ttl=0)
            jobs.enqueue_call("os.no_such_thing", failure_ttl=1)
            client.rpush(f"rq:queue:{QUEUE}", "a-job-that-does-not-exist")
        running = hello()
        wait_until(lambda: not job_count(redis_server), what="an empty queue")
        asked = crew.ask()

        assert crew.wait(asked, "processed").attempts == 1
        assert len(running.transport.requests) == 1
        assert len(crew.answers()) == 1


@pytest.mark.databases("sqlite")
def test_a_full_worker_passes_rings_on_together(
    crew: Crew, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once and one by one, it would chase its own ring for as long as it is full."""
    bell = Counting()
    monkeypatch.setattr(doorbell, "WorkerBell", lambda url, queue: bell)
    running = start(lambda body: Say("hello", first_delay=5), CHAT_SLOTS=1)
    crew.wait(crew.ask(), "delivered")

    for _ in range(50):
        running.worker.ring()
    wait_until(lambda: bell.rung, what="the ring passed on")

    assert bell.rung == 1


@pytest.mark.databases("sqlite")
def test_a_ring_that_comes_while_others_are_taken_is_heard(
    crew: Crew, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What rang was committed too late to be taken with them, and must not wait for the next look."""
    steps: list[str] = []
    look, keep, claim = ChatWorker.look, ChatWorker.keep, ChatWorker._claim

    async def looks(worker: ChatWorker) -> None:
        steps.append("look")
        await look(worker)

    async def keeps(worker: ChatWorker) -> None:
        steps.append("keep")
        await keep(worker)

    async def claims(worker: ChatWorker, free: int) -> Any:
        taken = await claim(worker, free)
        if steps.count("look") == 1:
            worker.ring()
            await asyncio.sleep(0)
        return taken

    for name, step in {"look": looks, "keep": keeps, "_claim": claims}.items():
        monkeypatch.setattr(ChatWorker, name, step)
    crew.ask()
    start(lambda body: Say("hello", first_delay=5))
    wait_until(lambda: len(steps) > 4, what="some rounds")

    began = steps.index("look")
    assert steps[began : began + 3] == ["look", "keep", "look"]


@pytest.mark.usefixtures("only_by_ring")
@pytest.mark.databases("sqlite")
def test_a_build_that_does_not_look_by_itself_is_caught(
    crew: Crew, hello: Start, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of what follows: without its own look, the worker is deaf when Redis is gone."""
    monkeypatch.setattr(listener, "PAUSES", (600.0,))
    looked, look = threading.Event(), ChatWorker.look

    async def tell(worker: ChatWorker) -> None:
        await look(worker)
        looked.set()

    monkeypatch.setattr(ChatWorker, "look", tell)
    hello()
    wait_until(lambda: listening(redis_server), what="a listening worker")
    assert looked.wait(10), "the look with which it begins would find what is asked below"
    redis_server.kill()

    with pytest.raises(AssertionError):
        crew.wait(crew.ask(), "processed", timeout=3)


@pytest.mark.databases("sqlite")
class TestWithoutRedis:
    """I12: nothing is lost and work goes on, slower."""

    def flow(self, crew: Crew, harm: Callable[[], object] | None = None) -> None:
        """Post while Redis is harmed; everything is answered, and posting never waits."""
        asked = []
        for number in range(6):
            if number == 3 and harm:
                harm()
            asked.append(crew.ask(f"@trunks {number}"))
        for delivery_id in asked:
            crew.wait(delivery_id, "processed", timeout=15)
        assert len(crew.answers()) == 6
        bell = current_app.extensions["bells"]["chat"]
        assert getattr(bell, "longest", 0.0) < 0.5, "a commit waited for Redis"

    def test_redis_was_never_there(self, crew: Crew, hello: Start, redis_server: RedisServer) -> None:
        redis_server.kill()
        hello()
        self.flow(crew)
        assert crew.healthy()

    def test_redis_is_killed(self, crew: Crew, hello: Start, redis_server: RedisServer) -> None:
        hello()
        self.flow(crew, redis_server.kill)

    def test_redis_hangs(self, crew: Crew, hello: Start, redis_server: RedisServer) -> None:
        running = hello()
        self.flow(crew, redis_server.pause)
        running.stop()
        redis_server.resume()

    def test_redis_is_emptied(self, crew: Crew, hello: Start, redis_server: RedisServer) -> None:
        hello()
        self.flow(crew, redis_server.flush)

    def test_no_redis_is_configured(self, crew: Crew, start: Start) -> None:
        start(lambda body: Say("hello"), REDIS_URL="")
        self.flow(crew)


class TestCommit:
    @pytest.fixture
    def bell(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> Counting:
        bell = Counting()
        monkeypatch.setitem(app.extensions["bells"], "chat", bell)
        return bell

    def test_new_work_rings_and_other_changes_do_not(self, crew: Crew, bell: Counting) -> None:
        crew.say("no agent is named here, @jonas")
        assert bell.rung == 0

        crew.ask()
        assert bell.rung == 1

        [delivery] = Delivery.claim(5)
        db.session.commit()
        assert bell.rung == 1, "what is taken waits for nobody"
        delivery.stop("Mara")
        db.session.commit()
        assert bell.rung == 2, "who holds it must hear of the wish"
        assert delivery.finish(delivery.lease_token or "", Answer.of("ok"), {})
        db.session.commit()
        assert bell.rung == 2

    def test_a_commit_tells_the_heads_of_its_streams(
        self, crew: Crew, app: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bus = Published()
        monkeypatch.setitem(app.extensions, "bus", bus)

        crew.ask()

        [heads] = bus.of("ring")
        assert list(heads) == [f"project:{crew.project.id}"]

    def test_what_was_rolled_back_does_not_ring(self, crew: Crew, bell: Counting) -> None:
        delivery_id = crew.ask()
        db.session.get_one(Delivery, delivery_id).stop("Mara")
        db.session.rollback()

        assert bell.rung == 1


class TestBell:
    def test_rings_that_nobody_hears_do_not_pile_up(self, redis_server: RedisServer) -> None:
        unheard = 0
        with redis.Redis.from_url(redis_server.url) as client:
            for _ in range(5):
                unheard = ring_once(client, QUEUE, unheard)

        assert job_count(redis_server) == unheard == 2

    def test_what_was_heard_is_rung_again(self, redis_server: RedisServer) -> None:
        with redis.Redis.from_url(redis_server.url) as client:
            assert ring_once(client, QUEUE, unheard=2) == 1

    def test_a_ring_reaches_the_queue_from_its_own_thread(self, redis_server: RedisServer) -> None:
        bell = WorkerBell(redis_server.url, QUEUE)
        for _ in range(100):
            bell.ring()

        wait_until(lambda: 1 <= job_count(redis_server) <= 2, what="a job")

    def test_a_hung_redis_is_left_alone_for_a_while(
        self, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried: list[float] = []
        real = ring_once

        def noted(client: redis.Redis, queue: str, unheard: int) -> int:
            tried.append(time.monotonic())
            return real(client, queue, unheard)

        monkeypatch.setattr(doorbell, "ring_once", noted)
        bell = WorkerBell(redis_server.url, QUEUE)
        redis_server.pause()
        began = time.monotonic()
        while time.monotonic() - began < 1.8:
            bell.ring()
            assert time.monotonic() - began < 2.5, "ringing blocked"
        redis_server.resume()

        assert len(tried) == 1


def test_two_installations_on_one_redis_do_not_hear_each_other() -> None:
    assert channel("the key of one installation") != channel("the key of another")
    assert "key" not in channel("the key of one installation")
    assert rq_queue("the key of one installation") != rq_queue("the key of another")


@pytest.mark.databases("sqlite")
def test_leases_that_could_not_be_renewed_are_renewed_at_the_next_round(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not five seconds later: that the database was away must not cost what is held."""
    worker, tries = RunWorker(app, lambda: ProviderSettings()), []

    async def write(step: Any, tokens: list[str]) -> dict[str, str | None]:
        tries.append(tokens)
        if len(tries) == 1:
            raise Busy("the database is busy")
        return {"token": None}

    async def rounds() -> None:
        with pytest.raises(Busy):
            await worker.keep()
        await worker.keep()
        await worker.keep()

    monkeypatch.setattr(worker, "_live", {"token": Doing(None)})  # type: ignore[arg-type]
    monkeypatch.setattr(worker._database, "write", write)
    asyncio.run(rounds())
    worker._database.close()
    assert tries == [["token"], ["token"]], "once more, and then not before it is due"
