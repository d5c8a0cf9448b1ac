"""The pump sends every committed change once and in order, or says that one is behind."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from models import AuthzEpoch, Draft, Thread, User, db
from models.base import changed_rows
from models.posting import post
from realtime import publication, rows, streams
from realtime import pump as pump_module
from realtime.pump import Pump
from tests.realtime.world import Packet, Screen, World, statements
from tests.support.processes import wait_until


def stream_of(world: World) -> str:
    return f"project:{world.project.id}"


def say(world: World, text: str = "hello @jonas") -> None:
    world.say(text)
    db.session.commit()


def spans(world: World) -> list[tuple[int, int, int]]:
    """(from, to, number of items) of each packet."""
    return [(packet["from"], packet["to"], len(packet["items"])) for packet in world.packets]


@pytest.fixture
def running(world: World) -> Iterator[Callable[[Pump], Pump]]:
    started: list[Pump] = []

    def start(pump: Pump) -> Pump:
        started.append(pump)
        pump.start()
        return pump

    yield start
    for pump in started:
        pump.stop()


def test_a_stream_that_is_followed_first_is_announced_and_then_sent(world: World) -> None:
    name = stream_of(world)
    at = streams.head(name)
    pump = world.pump(lambda: [name])
    pump.turn()
    pump.turn()
    assert spans(world) == [(at, at, 0)]

    say(world)
    say(world)
    pump.turn()
    pump.turn()

    assert spans(world)[1:] == [(at, at + 2, 2)]
    assert [item["seq"] for item in world.packets[1]["items"]] == [at + 1, at + 2]


def test_a_ring_looks_only_at_what_rang(world: World) -> None:
    pump = world.pump()
    pump.turn()
    world.packets.clear()
    say(world)
    world.mara.name = "Mara L."
    db.session.commit()

    pump.ring({stream_of(world): 10**6, "user:somebody-else": 4})
    pump.turn(full=False)

    assert {packet["stream"] for packet in world.packets} == {stream_of(world)}


def test_a_stream_that_nobody_follows_any_more_is_forgotten(world: World) -> None:
    followed = [stream_of(world)]
    pump = world.pump(lambda: followed)
    pump.turn()
    followed.clear()
    say(world)
    pump.turn()
    followed.append(stream_of(world))
    world.packets.clear()
    pump.turn()

    at = streams.head(stream_of(world))
    assert spans(world) == [(at, at, 0)]


def test_many_changes_go_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump_module, "CHANGES_AT_ONCE", 3)
    pump = world.pump(lambda: [stream_of(world)])
    pump.turn()
    screen = world.screen(stream_of(world))
    for _ in range(7):
        say(world)
    pump.turn()
    pump.turn(full=False)
    pump.turn(full=False)

    at = streams.head(stream_of(world))
    assert [items for *_, items in spans(world)] == [0, 3, 3, 1]
    assert screen.seqs == {stream_of(world): at}
    assert screen.differs_from(world.screen(stream_of(world))) == []


def test_one_change_on_many_streams_is_rendered_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = []

    def everybody(user: User) -> list[str]:
        return [f"user:{world.mara.id}", f"user:{world.jonas.id}"]

    def counted(user: User) -> dict[str, object]:
        rendered.append(user.id)
        return {}

    users = rows.PUBLISHED["users"]
    counting = replace(users, streams=everybody, more=counted)
    monkeypatch.setitem(rows.PUBLISHED, "users", counting)
    monkeypatch.setitem(publication._published_as, users.model, counting)
    pump = world.pump()
    pump.turn()
    world.mara.name = "Mara L."
    db.session.commit()
    pump.turn()

    assert len([packet for packet in world.packets if packet["items"]]) == 3
    assert rendered == [world.mara.id]


def behind(world: World, screen: Screen) -> bool:
    """Whether the screen neither has everything nor knows that it is behind."""
    name = stream_of(world)
    stale = screen.seqs[name] < streams.head(name) and name not in screen.behind
    db.session.rollback()
    return stale


def test_a_change_between_catching_up_and_the_first_look_is_not_lost(world: World) -> None:
    """The pump sees the stream for the first time afterwards, and sends what came meanwhile."""
    pump = world.pump(lambda: [stream_of(world)])
    screen = world.screen(stream_of(world))
    pump.follow(stream_of(world), screen.seqs[stream_of(world)])
    say(world)
    pump.turn()

    assert not screen.behind
    assert not behind(world, screen)
    assert screen.differs_from(world.screen(stream_of(world))) == []


def test_a_pump_that_was_told_nothing_announces_where_it_begins(world: World) -> None:
    screen = world.screen(stream_of(world))
    pump = world.pump(lambda: [stream_of(world)])
    say(world)
    pump.turn()

    assert screen.behind == {stream_of(world)}
    screen.ask()
    assert screen.differs_from(world.screen(stream_of(world))) == []


def test_the_control_without_announcements_is_behind_and_does_not_know(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pump, "_skip", Pump._moved)
    screen = world.screen(stream_of(world))
    pump = world.pump(lambda: [stream_of(world)])
    say(world)
    pump.turn()

    assert behind(world, screen)


def test_the_slower_of_two_readers_who_came_together_learns_that_he_is_behind(world: World) -> None:
    """The first read an older snapshot, and tells the pump later than the second."""
    name = stream_of(world)
    pump = world.pump(lambda: [name])
    first = world.screen(name)
    say(world)
    second = world.screen(name)
    pump.follow(name, second.seqs[name])
    pump.turn()
    pump.follow(name, first.seqs[name])
    pump.turn(full=False)

    assert first.behind == {name}
    assert not second.behind


def test_who_joins_while_the_pump_forgets_the_stream_is_announced_to(world: World) -> None:
    name = stream_of(world)
    followed = [name]
    asked: list[Callable[[], None]] = []

    def joined() -> list[str]:
        now = list(followed)
        for then in asked:
            then()
        return now

    pump = world.pump(joined)
    pump.turn()
    followed.clear()
    screens = []

    def join() -> None:
        followed.append(name)
        with world.app.app_context():
            screens.append(world.screen(name))
        pump.follow(name, screens[0].seqs[name])

    asked.append(join)
    pump.turn()
    asked.clear()
    say(world)
    pump.turn()

    [screen] = screens
    assert not behind(world, screen)


def test_rights_are_checked_before_the_push_when_they_may_have_changed(world: World) -> None:
    order: list[str] = []
    pump = world.pump(lambda: [stream_of(world)])
    pump.recheck = lambda: order.append("recheck")
    pump._emit = lambda *packet: order.append("packet")
    pump.turn()
    assert order == ["recheck", "packet"]

    order.clear()
    say(world)
    pump.turn()
    assert order == ["packet"]

    order.clear()
    say(world)
    changed_rows(update(AuthzEpoch).values(epoch=AuthzEpoch.epoch + 1))
    db.session.commit()
    pump.ring({stream_of(world): 10**6})
    pump.turn(full=False)
    assert order == ["recheck", "packet"]


def test_nothing_is_pushed_while_the_check_of_rights_fails(world: World) -> None:
    pump = world.pump(lambda: [stream_of(world)])
    pump.turn()
    world.packets.clear()
    say(world)
    changed_rows(update(AuthzEpoch).values(epoch=AuthzEpoch.epoch + 1))
    db.session.commit()

    def fails() -> None:
        raise OSError

    pump.recheck = fails
    with pytest.raises(OSError):
        pump.turn()
    assert world.packets == []

    pump.recheck = lambda: None
    pump.turn()
    assert [items for *_, items in spans(world)] == [1]


def test_a_poll_that_failed_for_a_second_blinds_the_pump_until_rights_were_checked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(pump_module, "time", type("Clock", (), {"monotonic": lambda: now[0]}))
    checks: list[float] = []
    pump = world.pump(lambda: [stream_of(world)])
    pump.recheck = lambda: checks.append(now[0])
    assert pump.blind
    pump.turn()
    assert not pump.blind

    def down(*arguments: object) -> None:
        raise OperationalError("select", {}, OSError("gone"))

    with monkeypatch.context() as broken:
        broken.setattr(pump_module, "_heads_and_epoch", down)
        now[0] += 1.1
        with pytest.raises(OperationalError):
            pump.turn()
    assert pump.blind
    assert checks == [1000.0]

    pump.turn()
    assert not pump.blind
    assert checks == [1000.0, 1001.1]


def test_a_stream_that_cannot_be_shown_stops_no_other_and_its_readers_know(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(message: object) -> dict[str, object]:
        raise ZeroDivisionError

    broken = replace(rows.PUBLISHED["project_chat_messages"], more=breaks)
    monkeypatch.setitem(rows.PUBLISHED, "project_chat_messages", broken)
    pump = world.pump()
    pump.turn()
    name, other = stream_of(world), f"user:{world.mara.id}"
    seqs = {name: streams.head(name), other: streams.head(other)}
    world.packets.clear()
    world.say("hello @jonas")
    world.mara.name = "Mara L."
    db.session.commit()
    pump.turn()

    by_stream = {packet["stream"]: packet for packet in world.packets}
    skipped = by_stream[name]
    assert skipped["from"] == skipped["to"] == streams.head(name) > seqs[name]
    assert skipped["items"] == []
    assert [item["table"] for item in by_stream[other]["items"]] == ["users"]
    assert "cannot be shown" in caplog.text


def test_a_table_that_cannot_be_read_stops_only_who_needs_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks() -> None:
        raise ValueError("bad JSON in the column")

    broken = replace(rows.PUBLISHED["project_chat_messages"], query=breaks)
    monkeypatch.setitem(rows.PUBLISHED, "project_chat_messages", broken)
    pump = world.pump()
    pump.turn()
    world.packets.clear()
    world.say("hello @jonas")
    world.room.mark_read(world.mara, 0)
    db.session.commit()
    pump.turn()

    sizes = {packet["stream"].partition(":")[0]: len(packet["items"]) for packet in world.packets}
    assert sizes == {"project": 0, "user": 1}


def test_a_packet_that_could_not_be_sent_is_made_good(world: World) -> None:
    name = stream_of(world)
    pump = world.pump(lambda: [name])
    pump.turn()
    screen = world.screen(name)
    send = pump._emit

    def fails(event: str, payload: Packet, stream: str) -> None:
        raise OSError("no buffer")

    pump._emit = fails
    say(world)
    pump.turn()
    pump._emit = send
    pump.turn()

    assert screen.behind == {name}


def test_the_bell_of_a_commit_sends_at_once(world: World, running: Callable[[Pump], Pump]) -> None:
    arrived = threading.Event()
    pump = world.pump(lambda: [stream_of(world)])
    emit = pump._emit

    def heard(event: str, payload: Packet, stream: str) -> None:
        emit(event, payload, stream)
        arrived.set()

    pump._emit = heard
    running(pump)
    assert arrived.wait(5)
    arrived.clear()
    started = time.monotonic()
    say(world)

    assert arrived.wait(5)
    assert time.monotonic() - started < pump_module.POLL_SECONDS / 2
    assert pump_module.current() is pump


def test_without_a_bell_the_pump_finds_it_by_itself(world: World, running: Callable[[Pump], Pump]) -> None:
    arrived = threading.Event()
    pump = world.pump(lambda: [stream_of(world)])
    pump._emit = lambda event, payload, stream: payload["items"] and arrived.set()
    running(pump)
    # What is said before its first look is told by an announcement, which has no items.
    wait_until(lambda: stream_of(world) in pump._positions, 5, "the pump's first look")
    pump._deaf()
    pump._deaf = lambda: None
    say(world)

    assert arrived.wait(5)


def test_the_thread_outlives_a_database_that_is_away(
    world: World, running: Callable[[Pump], Pump], monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived, failed = threading.Event(), threading.Event()
    pump = world.pump(lambda: [stream_of(world)])
    pump._emit = lambda event, payload, stream: payload["items"] and arrived.set()

    def down(*arguments: object) -> None:
        failed.set()
        raise OperationalError("select", {}, OSError("gone"))

    pump.turn()
    with monkeypatch.context() as broken:
        broken.setattr(pump_module, "_heads_and_epoch", down)
        running(pump)
        say(world)
        assert failed.wait(5)
        assert not arrived.is_set()

    assert arrived.wait(5)


def test_a_long_poll_ends_when_its_stream_moves(world: World, running: Callable[[Pump], Pump]) -> None:
    name, mara, room = stream_of(world), world.mara.id, world.room.id
    at = streams.head(name)
    db.session.rollback()
    pump = running(world.pump(list))

    def later() -> None:
        with world.app.app_context():
            post(db.session.get_one(Thread, room), Draft.of(mara, "late @jonas", "late"))
            db.session.commit()

    assert not pump.wait(name, at, 0.05)
    timer = threading.Timer(0.3, later)
    timer.start()
    assert pump.wait(name, at, 10)
    timer.join()
    assert pump.wait(name, at, 10)
    assert not pump.wait(name, at + 1, 0.05)


def test_stopping_lets_long_polls_go(world: World) -> None:
    pump = world.pump(list)
    pump.start()
    answers: list[bool] = []
    name, at = stream_of(world), streams.head(stream_of(world))
    db.session.rollback()
    poll = threading.Thread(target=lambda: answers.append(pump.wait(name, at, 30)))
    poll.start()
    while not pump._waiters:
        time.sleep(0)
    pump.stop()
    poll.join(5)

    assert answers == [False]
    assert pump_module.current() is None


class Reader(Screen):
    """A page in a thread of its own: what the pump sends and what it asked for arrive one after the other."""

    def __init__(self, name: str) -> None:
        super().__init__([name])
        self.name = name
        self.lock = threading.RLock()

    def receive(self, packet: Packet) -> None:
        with self.lock:
            super().receive(packet)

    def read(self) -> None:
        answer = streams.catch_up(self.name, self.seqs[self.name])
        with self.lock:
            self._apply(self.name, answer["items"], answer["seq"])


class Hall:
    """Readers come and go while the pump sends."""

    def __init__(self, world: World) -> None:
        self.app, self.name = world.app, stream_of(world)
        self._since = streams.head(self.name)
        self._readers: set[Reader] = set()
        self._lock = threading.Lock()

    def enter(self) -> Reader:
        """Join first, then read what was missed."""
        reader = Reader(self.name)
        reader.seqs[self.name] = self._since
        with self._lock:
            self._readers.add(reader)
        with self.app.app_context():
            reader.read()
        return reader

    def leave(self, reader: Reader) -> None:
        with self._lock:
            self._readers.discard(reader)

    def joined(self) -> list[str]:
        with self._lock:
            return [self.name] if self._readers else []

    def emit(self, event: str, payload: Packet, stream: str) -> None:
        with self._lock:
            here = tuple(self._readers)
        for reader in here:
            reader.receive(payload)


WRITERS, POSTS = 2, 25


def test_readers_who_come_and_go_under_load_all_end_with_everything(
    world: World, running: Callable[[Pump], Pump]
) -> None:
    """Writers, the pump and readers race; afterwards nobody is behind without knowing it."""
    hall, mara, room = Hall(world), world.mara.id, world.room.id
    db.session.rollback()
    last: list[Reader] = []

    def write(number: int) -> None:
        chance = random.Random(number)
        with world.app.app_context():
            for post_number in range(POSTS):
                draft = Draft.of(mara, "words @jonas", f"{number}-{post_number}")
                post(db.session.get_one(Thread, room), draft)
                db.session.commit()
                time.sleep(chance.random() * 0.01)

    def come_and_go(number: int) -> None:
        chance = random.Random(-number)
        for _ in range(8):
            reader = hall.enter()
            time.sleep(chance.random() * 0.02)
            hall.leave(reader)
        last.append(hall.enter())

    running(Pump(world.app, hall.emit, hall.joined))
    workers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    workers += [threading.Thread(target=come_and_go, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    head = streams.head(hall.name)
    db.session.rollback()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(reader.seqs[hall.name] < head for reader in last):
        for reader in last:
            with reader.lock:
                reader.ask()

    assert [reader.seqs[hall.name] for reader in last] == [head] * 3
    for reader in last:
        messages = [row for (table, _), row in reader.rows.items() if table == "project_chat_messages"]
        assert sorted(row["seq"] for row in messages) == list(range(1, WRITERS * POSTS + 1))


def test_a_look_takes_as_many_statements_for_many_streams_and_rows_as_for_one(world: World) -> None:
    pump = world.pump()
    pump.turn()
    world.say("what is open is asked once")
    db.session.commit()
    pump.turn()
    counts = []
    for many in (1, 12):
        for _ in range(many):
            world.say("hello @trunks")
            world.say("hello @trunks", thread=world.dm)
        db.session.commit()
        with statements() as run:
            pump.turn()
        counts.append(len(run))

    assert counts[0] == counts[1] <= 6


@pytest.mark.databases("sqlite")
def test_a_look_searches_the_log_by_its_key(world: World) -> None:
    with statements() as run:
        pump_module._news(db.session(), {"a": 1, "b": 2}, {"a": 3, "b": 9})
    plan = db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {run[-1]}", tuple("a13b29"))

    steps = [step for *_, step in plan]
    assert any("SEARCH changes USING INDEX" in step and "seq>?" in step for step in steps), steps
