"""What stands in a closed thread goes by no stream, and who comes back after it begins anew."""

import pytest
from flask_sqlalchemy import SQLAlchemy

from models import Agent, Delivery, Membership, Message, Project, Run, RunEvent, Schedule, Task, User, labs
from models.actions import ScheduleJob
from models.inspection import Inspection
from realtime import streams
from realtime.doors import TABLES
from realtime.pump import Pump
from tests import factories
from tests.realtime.world import Packet, World, statements


def switch(world: World, db: SQLAlchemy, **flags: bool) -> None:
    labs.write(world.project.id, flags)
    db.session.commit()


def job(name: str) -> ScheduleJob:
    return ScheduleJob(name=name, schedule_expr="0 9 * * *", instructions="Look.", target_agent_key="bulma")


def stream_of(world: World) -> str:
    return f"project:{world.project.id}"


def tables(items: list[Packet]) -> set[str]:
    return {item["table"] for item in items}


def something_said(world: World, db: SQLAlchemy) -> None:
    """In the room and in the DM: a message that is answered now, with a reaction, and an approval."""
    for thread in (world.room, world.dm):
        message = world.say("@trunks hello", thread=thread)
        message.react(world.mara, "👍")
        proposal = world.propose(thread)
        proposal.approve(world.session(), proposal.digest)
        thread.paused_at = message.created_at
    assert len(Delivery.claim(5)) == 2
    world.jonas.name = "Jonas W."
    db.session.commit()


def test_a_reader_gets_nothing_of_a_closed_room(world: World, db: SQLAlchemy) -> None:
    name, mine = stream_of(world), f"user:{world.mara.id}"
    something_said(world, db)
    switch(world, db, team_room=False, dms=True)
    since = streams.head(name)
    world.room.paused_at = None
    db.session.query(Message).where(Message.thread_id == world.room.id, Message.seq == 1).one().unreact(
        world.mara, "👍"
    )
    world.jonas.name = "Jonas"
    db.session.commit()

    part = streams.catch_up(name, since)

    assert tables(part["items"]) == {"memberships", "reactions"}
    assert [item["row"] for item in part["items"] if item["table"] == "reactions"] == [None]
    assert (part["seq"], part["live"]) == (streams.head(name), [])
    private = streams.catch_up(mine, 0)
    assert tables(private["items"]) >= TABLES
    assert len(private["live"]) == 1


def test_a_closed_dm_is_hidden_from_its_owner(world: World, db: SQLAlchemy) -> None:
    mine = f"user:{world.mara.id}"
    something_said(world, db)
    switch(world, db, dms=False)

    part = streams.catch_up(mine, 0)

    assert not tables(part["items"]) & TABLES
    assert part["live"] == []


def test_what_a_dm_proposes_to_the_project_goes_by_the_flag_of_dms(world: World, db: SQLAlchemy) -> None:
    name, pump = stream_of(world), world.pump(lambda: [stream_of(world)])
    pump.turn()
    proposal = world.propose(world.dm)
    proposal.listed = True
    proposal.approve(world.session(), proposal.digest)
    db.session.commit()
    assert sent(world, pump) >= {"proposals", "runs"}

    def again() -> set[str]:
        proposal.risk_level = "med" if proposal.risk_level == "low" else "low"
        assert proposal.run
        proposal.run.losses += 1
        db.session.commit()
        streamed = sent(world, pump)
        assert tables(streams.catch_up(name, streams.head(name) - 2)["items"]) == streamed
        return streamed

    switch(world, db, dms=False)
    pump.turn()
    assert again() == set()
    switch(world, db, dms=True, team_room=False)
    assert sent(world, pump) == set(), "who followed is behind, and asks for what was hidden"
    assert again() == {"proposals", "runs"}


def test_what_is_proposed_in_a_task_goes_by_the_flag_of_tasks(world: World, db: SQLAlchemy) -> None:
    pump = world.pump(lambda: [stream_of(world)])
    task, trunks = Task.promote(world.say("look"), world.jonas), Agent.by_key(world.project.id, "trunks")
    assert trunks
    proposal = factories.proposal(task, trunks)
    pump.turn()
    proposal.approve(world.session(), proposal.digest)
    db.session.commit()
    assert sent(world, pump) >= {"proposals", "runs", "task_events"}

    switch(world, db, task_threads=False)
    pump.turn()
    assert proposal.run
    proposal.run.losses += 1
    db.session.commit()
    assert not sent(world, pump) & {"proposals", "runs", "task_events"}


def test_who_read_while_it_was_closed_begins_anew_when_it_opens(world: World, db: SQLAlchemy) -> None:
    name = stream_of(world)
    something_said(world, db)
    switch(world, db, team_room=False)
    at = streams.catch_up(name, streams.head(name))["seq"]

    switch(world, db, team_room=True)

    assert streams.catch_up(name, at)["reset"]
    assert not streams.catch_up(name, streams.head(name))["reset"]


@pytest.fixture
def pump(world: World, db: SQLAlchemy) -> Pump:
    pump = world.pump()
    pump.turn()
    world.say("hello @trunks")
    db.session.commit()
    pump.turn()
    world.packets.clear()
    return pump


def sent(world: World, pump: Pump) -> set[str]:
    world.packets.clear()
    pump.turn()
    return tables([item for packet in world.packets for item in packet["items"]])


def test_the_pump_sends_nothing_of_a_closed_room(world: World, db: SQLAlchemy, pump: Pump) -> None:
    name = stream_of(world)
    switch(world, db, team_room=False)
    assert sent(world, pump) == {"project_settings"}
    assert pump.doors.shut(name)

    world.room.paused_at = world.project.created_at
    world.say("nobody hears it")
    db.session.commit()

    assert sent(world, pump) == set()
    [packet] = world.packets
    assert packet["to"] == streams.head(name)


def test_a_page_that_stayed_is_behind_when_it_opens(world: World, db: SQLAlchemy, pump: Pump) -> None:
    screen = world.screen()
    switch(world, db, team_room=False)
    pump.turn()
    world.say("nobody hears it")
    db.session.commit()
    pump.turn()
    assert screen.differs_from(world.screen())

    switch(world, db, team_room=True)
    pump.turn()

    assert screen.behind == {stream_of(world)}
    screen.ask()
    assert screen.differs_from(world.screen()) == []
    assert not pump.doors.shut(stream_of(world))


def test_what_is_open_is_asked_again_only_after_a_change_of_rights(
    world: World, db: SQLAlchemy, pump: Pump
) -> None:
    def asked() -> int:
        world.say("hello @trunks")
        db.session.commit()
        with statements() as run:
            pump.turn()
        return sum("project_settings" in statement for statement in run)

    assert asked() == 0
    User.create("kim@example.org", "Kim", None)
    db.session.commit()
    assert [asked(), asked()] == [1, 0]


class TestConversations:
    """What is said in them stops by their owner's stream, too, as soon as they are closed."""

    @pytest.fixture
    def mine(self, world: World) -> str:
        return f"user:{world.mara.id}"

    def test_a_flag_is_heard_of_by_the_next_look(
        self, world: World, db: SQLAlchemy, pump: Pump, mine: str
    ) -> None:
        project, elsewhere = world.project.id, Project.create("other", "Other")
        labs.write(elsewhere.id, {"dms": True})
        world.mara.join(elsewhere, "owner")
        db.session.commit()
        for one in (project, elsewhere.id):
            pump.doors.shut(mine, one)
        pump.turn()
        assert not pump.doors.shut(mine, project)

        switch(world, db, dms=False)
        pump.turn()

        assert pump.doors.shut(mine, project)
        assert not pump.doors.shut(mine, elsewhere.id), "another project's conversations go on"
        assert not pump.doors.shut(stream_of(world), project), "the room goes on"
        switch(world, db, dms=True, team_room=False)
        pump.turn()
        assert not pump.doors.shut(mine, project)
        assert pump.doors.shut(stream_of(world), project)

    @pytest.mark.parametrize("how", ["removed", "deactivated"])
    def test_who_leaves_hears_nothing_more_of_them(
        self, world: World, db: SQLAlchemy, mine: str, how: str
    ) -> None:
        pump = world.pump()
        pump.turn()
        world.jonas.join(world.project, "owner")
        something_said(world, db)
        pump.turn()
        assert not pump.doors.shut(mine, world.project.id)
        if how == "removed":
            membership = Membership.of(world.project.id, world.mara.id)
            assert membership
            membership.end()
        else:
            world.mara.deactivate()
        db.session.commit()
        world.packets.clear()
        pump.turn()

        assert pump.doors.shut(mine, world.project.id)
        assert not pump.doors.shut(f"user:{world.jonas.id}", world.project.id)
        private = [packet for packet in world.packets if packet["stream"] == mine]
        assert private
        assert not tables([item for packet in private for item in packet["items"]]) & TABLES
        part = streams.catch_up(mine, 0)
        assert not tables(part["items"]) & TABLES
        assert part["live"] == []


def test_a_run_of_tasks_goes_by_their_flag_and_not_by_the_room(
    world: World, db: SQLAlchemy, pump: Pump
) -> None:
    def moved() -> bool:
        run = factories.audited(world.project, world.mara)
        run.losses += 1
        db.session.commit()
        return "runs" in sent(world, pump)

    switch(world, db, team_room=False)
    pump.turn()
    assert moved()
    begun = Inspection.ask_for(world.project.id, "qa-audit", world.mara)
    switch(world, db, team_room=True, task_threads=False)
    pump.turn()
    world.packets.clear()
    begun.losses += 1
    db.session.commit()
    assert "runs" not in sent(world, pump)


@pytest.mark.parametrize(("table", "flag"), labs.OF_TABLE.items())
def test_what_has_a_flag_of_its_own_is_on_no_stream_while_that_is_off(
    world: World, db: SQLAlchemy, pump: Pump, monkeypatch: pytest.MonkeyPatch, table: str, flag: str
) -> None:
    task = Task.promote(world.say("before"), world.jonas)
    run = factories.event(task, world.mara).run_id
    db.session.commit()
    pump.turn()
    write = {
        "brain_docs": world.write,
        "tasks": lambda title: Task.promote(world.say(title), world.jonas),
        "task_events": lambda words: task.record("noted", "bulma", words),
        "run_events": lambda words: RunEvent.add(db.session.get_one(Run, run), [("output", words)]),
        "skills_mirror": lambda key: factories.skill(world.project, key),
        "schedules": lambda name: Schedule.create(world.project.id, job(name), world.propose().id),
    }
    screen, name = world.screen(), stream_of(world)
    since = streams.head(name)
    write[table]("seen")
    db.session.commit()
    assert table in sent(world, pump)

    # A person cannot write while it is off; what did so all the same is shown to nobody.
    switch(world, db, **{flag: False})
    pump.turn()
    off = streams.head(name)
    monkeypatch.setattr(labs, "enabled", lambda flag, project_id: True)
    write[table]("hidden")
    db.session.commit()
    assert table not in sent(world, pump)
    assert table not in tables(streams.catch_up(name, off)["items"])

    switch(world, db, **{flag: True})
    pump.turn()
    assert screen.behind == {name}
    assert streams.catch_up(name, since)["reset"]
    screen.ask()
    assert screen.differs_from(world.screen()) == []
