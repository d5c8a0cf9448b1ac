"""I2: a page with the changes applied shows what a fresh load shows, for every kind of change."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from models import (
    Agent,
    AgentStatus,
    AllowedHost,
    ApiToken,
    BrainDoc,
    Delivery,
    ExecutorRequest,
    Invite,
    Membership,
    Message,
    Project,
    ProjectSecret,
    ProjectSetting,
    Proposal,
    ProposalFold,
    Run,
    Schedule,
    Skill,
    Task,
    User,
    UserSession,
    audit,
    db,
    labs,
)
from models.base import utcnow
from models.execution import Execution
from models.markup import render
from models.message import Answer
from models.thread import BREAKER_TURNS
from realtime import publication, registry
from realtime.registry import PUBLISHED
from tests import factories
from tests.realtime.world import World

MUTATIONS: dict[str, Callable[[World], object]] = {}


def mutation(change: Callable[[World], object]) -> Callable[[World], object]:
    MUTATIONS[change.__name__] = change
    return change


def message(text: str) -> Message:
    return db.session.scalars(select(Message).where(Message.content.startswith(text))).one()


def delivery(text: str) -> Delivery:
    return db.session.scalars(
        select(Delivery)
        .join(Message, Message.id == Delivery.message_id)
        .where(Message.content.startswith(text))
    ).one()


def agent(world: World, key: str) -> Agent:
    found = Agent.by_key(world.project.id, key)
    assert found
    return found


def request(world: World, key: str) -> ExecutorRequest:
    requests = db.session.scalars(select(ExecutorRequest))
    return next(one for one in requests if one.payload.get("key") == key)


def token_of(one: Delivery) -> str:
    assert one.lease_token
    return one.lease_token


@mutation
def a_person_posts(world: World) -> None:
    world.say("plain words")


@mutation
def a_person_addresses_an_agent_and_a_person(world: World) -> None:
    world.say("asked @trunks")
    world.say("look @jonas")


@mutation
def a_person_quotes(world: World) -> None:
    world.say("quoting", by=world.jonas, reply_to=message("plain words").id)


@mutation
def a_person_posts_files(world: World) -> None:
    def some(*names: str) -> list[UUID]:
        return [factories.attachment(world.room, world.mara, name, factories.PNG) for name in names]

    world.say(
        "@jonas files", attachments=[*some("a.png", "b.png"), factories.attachment(world.room, world.mara)]
    )
    world.say("", attachments=some("c.png"), reply_to=message("plain words").id)
    world.say("@jonas more files", attachments=some("d.png"))


@mutation
def a_message_with_files_is_edited_and_another_deleted(world: World) -> None:
    message("@jonas files").edit(world.mara, "the same files")
    message("@jonas more files").delete(world.mara)


@mutation
def the_quoted_message_is_edited(world: World) -> None:
    message("plain words").edit(world.mara, "plain words, changed")


@mutation
def somebody_reacts(world: World) -> None:
    message("plain words").react(world.jonas, "🎉")
    message("plain words").react(world.mara, "🎉")


@mutation
def a_reaction_is_taken_back(world: World) -> None:
    message("plain words").unreact(world.jonas, "🎉")


@mutation
def a_reaction_comes_and_goes_at_once(world: World) -> None:
    message("plain words").react(world.jonas, "👀")
    message("plain words").unreact(world.jonas, "👀")


@mutation
def the_quoted_message_is_deleted(world: World) -> None:
    message("plain words").delete(world.mara)


@mutation
def a_worker_claims(world: World) -> None:
    assert Delivery.claim(5)


@mutation
def a_worker_moves_on_quietly(world: World) -> None:
    assert Delivery.progress(token_of(delivery("asked @trunks")), "so far")
    assert Delivery.renew([token_of(delivery("asked @trunks"))])


@mutation
def an_agent_answers_and_calls_another(world: World) -> None:
    one = delivery("asked @trunks")
    assert one.finish(token_of(one), Answer.of("answered, @bulma goes on"), {"output": 7})


@mutation
def a_delivery_ages_quietly(world: World) -> None:
    Delivery.age()


@mutation
def a_delivery_fails(world: World) -> None:
    assert delivery("answered").fail("the model is away")


@mutation
def a_person_retries(world: World) -> None:
    delivery("answered").retry("Mara")


@mutation
def a_person_wants_another_answer(world: World) -> None:
    [one] = Delivery.claim(1)
    assert one.finish(token_of(one), Answer.of("Once."), {})
    one.regenerate("Mara")


@mutation
def a_worker_gives_back(world: World) -> None:
    [one] = Delivery.claim(1)
    assert one.put_back(token_of(one))


@mutation
def a_worker_is_lost(world: World) -> None:
    [one] = Delivery.claim(1)
    assert one.lost()


@mutation
def a_waiting_delivery_is_stopped(world: World) -> None:
    delivery("answered").stop("Mara")


@mutation
def another_delivery_is_taken(world: World) -> None:
    world.say("long @krillin")
    Delivery.claim(5)


@mutation
def a_running_delivery_is_asked_to_stop(world: World) -> None:
    delivery("long").stop("Mara")


@mutation
def a_running_delivery_stops(world: World) -> None:
    one = delivery("long")
    assert one.finish(token_of(one), Answer.of("half an ans"), {}, stopped_by="Mara")


@mutation
def the_breaker_opens(world: World) -> None:
    world.say("count @trunks")
    for turn in range(BREAKER_TURNS + 1):
        [one] = Delivery.claim(1)
        other = "bulma" if one.target_agent_key == "trunks" else "trunks"
        assert one.finish(token_of(one), Answer.of(f"turn {turn}, @{other}"), {})
    assert world.room.paused_at


@mutation
def a_person_lets_them_go_on(world: World) -> None:
    assert world.room.resume()


@mutation
def the_breaker_opens_again_and_a_person_stops_them(world: World) -> None:
    for turn in range(BREAKER_TURNS + 1):
        [one] = Delivery.claim(1)
        other = "bulma" if one.target_agent_key == "trunks" else "trunks"
        assert one.finish(token_of(one), Answer.of(f"again {turn}, @{other}"), {})
    db.session.commit()
    world.room.halt()


@mutation
def a_person_reads(world: World) -> None:
    world.room.mark_read(world.jonas, world.room.last_seq)
    world.room.mark_read(world.mara, 2)


@mutation
def a_person_reads_on(world: World) -> None:
    world.room.mark_read(world.mara, world.room.last_seq)


@mutation
def a_person_mutes_the_room(world: World) -> None:
    world.room.mute(world.mara, True)


@mutation
def a_person_talks_with_an_agent_alone(world: World) -> None:
    one = world.say("in private @trunks", thread=world.dm)
    one.react(world.mara, "✅")
    db.session.commit()
    [private] = Delivery.claim(5)
    assert private.finish(token_of(private), Answer.of("between us"), {})


@mutation
def an_agent_is_provisioned(world: World) -> None:
    Agent.provision(world.project.id, "vegeta", "Vegeta", title="Ops")


@mutation
def an_agent_is_edited(world: World) -> None:
    agent(world, "vegeta").edit(name="Prince Vegeta", model="claude")


@mutation
def an_agent_does_something(world: World) -> None:
    agent(world, "vegeta").state.say("tool", "reads the thread")


@mutation
def an_agent_polls_quietly(world: World) -> None:
    agent(world, "vegeta").state.poll()


@mutation
def an_agent_is_archived(world: World) -> None:
    agent(world, "vegeta").archived_at = utcnow()


@mutation
def the_project_changes(world: World) -> None:
    world.project.name, world.project.default_agent_key = "Oasis 2", "bulma"


@mutation
def a_person_joins(world: World) -> None:
    User.create("kim@example.org", "Kim", None).join(world.project, "viewer")


@mutation
def a_role_changes(world: World) -> None:
    kim = User.by_email("kim@example.org")
    assert kim
    kim.memberships[0].change_role("operator")


@mutation
def a_person_changes_the_name(world: World) -> None:
    kim = User.by_email("kim@example.org")
    assert kim
    kim.name = "Kim Nguyen"
    world.mara.name = "Mara L."


@mutation
def a_person_is_deactivated(world: World) -> None:
    kim = User.by_email("kim@example.org")
    assert kim
    kim.deactivated_at = utcnow()


@mutation
def a_person_leaves(world: World) -> None:
    kim = User.by_email("kim@example.org")
    assert kim
    kim.memberships[0].end()


@mutation
def a_labs_flag_is_switched(world: World) -> None:
    labs.write(world.project.id, {"team_room": False})


@mutation
def a_labs_flag_is_switched_back(world: World) -> None:
    labs.write(world.project.id, {"team_room": True})


@mutation
def another_setting_is_written(world: World) -> None:
    ProjectSetting.write(world.project.id, "mission", {"text": "keep it running"})


@mutation
def a_request_waits(world: World) -> None:
    ExecutorRequest.ask(world.project.id, "agent_provision", {"key": "gohan", "name": "Gohan"}, world.mara.id)
    ExecutorRequest.ask(world.project.id, "agent_provision", {"key": "goten", "name": "Goten"}, world.mara.id)


@mutation
def a_request_is_taken(world: World) -> None:
    assert request(world, "gohan").take()


@mutation
def a_request_is_done_and_another_fails(world: World) -> None:
    done = request(world, "gohan")
    assert done.lease_token
    assert done.finish(done.lease_token, {"ok": True})
    assert request(world, "goten").fail(None, "no such model")


@mutation
def invites_are_made(world: World) -> None:
    for _ in range(2):
        Invite.create(world.project, "member", world.mara)


@mutation
def an_invite_is_used_and_one_taken_back(world: World) -> None:
    used, revoked = db.session.scalars(select(Invite))
    used.accept(User.create("lee@example.org", "Lee", None))
    revoked.revoked_at = utcnow()


@mutation
def a_token_is_made(world: World) -> None:
    ApiToken.create(world.project.id, "user", "script", user_id=world.mara.id)


@mutation
def a_token_is_used_quietly(world: World) -> None:
    assert db.session.scalars(select(ApiToken)).one().note_use()


@mutation
def a_token_is_revoked(world: World) -> None:
    db.session.scalars(select(ApiToken)).one().revoke()


@mutation
def a_session_starts(world: World) -> None:
    UserSession.start(world.mara, "127.0.0.1", "Firefox")


@mutation
def a_session_is_used_quietly(world: World) -> None:
    session = db.session.scalars(select(UserSession)).one()
    session.seen_at = utcnow() - timedelta(minutes=5)
    db.session.flush()
    assert session.note_use()


@mutation
def a_session_ends(world: World) -> None:
    assert UserSession.revoke_all(world.mara) == 1


def proposal(status: str) -> Proposal:
    """The newest in this state."""
    newest = select(Proposal).where(Proposal.status == status).order_by(Proposal.created_at.desc())
    return db.session.scalars(newest.limit(1)).one()


@mutation
def agents_propose(world: World) -> None:
    world.propose()
    world.propose(action_type="file_write", path="notes/a.txt", content="one")
    world.propose()


@mutation
def a_person_puts_a_proposal_aside(world: World) -> None:
    ProposalFold.fold(proposal("proposed"), world.mara.id)


@mutation
def a_person_takes_it_up_again(world: World) -> None:
    ProposalFold.unfold(proposal("proposed"), world.mara.id)


@mutation
def a_person_rejects(world: World) -> None:
    one = proposal("proposed")
    one.reject(world.session(), one.digest, "not today")


@mutation
def a_person_edits_a_proposal(world: World) -> None:
    one = proposal("proposed")
    one.edit(world.session(), one.digest, {"path": "notes/a.txt", "content": "two"})


@mutation
def a_person_approves(world: World) -> None:
    one = proposal("proposed")
    one.approve(world.session(), one.digest)


@mutation
def the_run_of_an_approval_moves(world: World) -> None:
    assert db.session.scalars(select(Run)).one().try_advance("status", "queued", "running")


@mutation
def the_run_is_given_back(world: World) -> None:
    assert db.session.scalars(select(Run)).one().try_advance("status", "running", "queued")


@mutation
def a_person_edits_what_was_approved(world: World) -> None:
    one = proposal("approved")
    one.edit(world.session(), one.digest, {"path": "notes/a.txt", "content": "three"})


def execution() -> Execution:
    """Of what is approved now."""
    one = proposal("approved")
    return Execution.hold(db.session.scalars(select(Run.id).where(Run.approval_id == one.approval_id)).one())


@mutation
def it_is_approved_and_taken(world: World) -> None:
    one = proposal("proposed")
    one.approve(world.session(), one.digest)
    db.session.flush()
    assert execution().claim("worker")


@mutation
def it_is_lost_before_it_began(world: World) -> None:
    assert execution().lost()


@mutation
def it_fails(world: World) -> None:
    held = execution()
    token = held.claim("worker")
    assert token
    assert held.failed(token, "The disk is full.")


@mutation
def a_person_tries_again(world: World) -> None:
    one = proposal("failed")
    one.retry(world.session(), one.digest)


@mutation
def nobody_knows_whether_it_happened(world: World) -> None:
    held = execution()
    token = held.claim("worker")
    assert token
    assert held.begin(token)
    db.session.flush()
    assert execution().lost()


@mutation
def a_person_settles_it(world: World) -> None:
    one = proposal("approved")
    one.settle(world.session(), one.digest, "executed")


@mutation
def a_late_report_is_kept(world: World) -> None:
    run = db.session.scalars(select(Run).where(Run.retry_of.is_not(None))).one()
    assert not Execution.hold(run.id).done(run.lease_token or "", "It was written.")
    assert run.late_report


@mutation
def a_schedule_is_made(world: World) -> None:
    when = {"schedule_kind": "every", "schedule_expr": "1d", "time_zone": "UTC", "output": "activity"}
    what = {"name": "Disk", "instructions": "Look.", "target_agent_key": "bulma"}
    made = Schedule(project_id=world.project.id, proposal_id=proposal("executed").id, **when, **what)
    db.session.add(made)


@mutation
def a_message_becomes_a_task(world: World) -> None:
    Task.promote(message("quoting"), world.jonas)


@mutation
def more_happens_to_the_task(world: World) -> None:
    task = db.session.scalars(select(Task)).one()
    task.record("noted", "bulma")
    task.comment(world.jonas, "seen", render("seen"), "c1")


@mutation
def an_agent_asks_in_the_task(world: World) -> None:
    task = db.session.scalars(select(Task)).one()
    factories.proposal(task, agent(world, "trunks"), "file_write", path="notes/b.txt", content="one")


@mutation
def a_person_approves_it(world: World) -> None:
    one = db.session.scalars(select(Proposal).where(Proposal.message_id.is_(None))).one()
    one.approve(world.session(), one.digest)


@mutation
def it_is_carried_out(world: World) -> None:
    held = execution()
    token = held.claim("worker")
    assert token
    assert held.done(token, "It was written.")


@mutation
def an_agent_proposes_in_private(world: World) -> None:
    assert not world.propose(world.dm).listed


@mutation
def the_owner_of_the_conversation_decides_no_more(world: World) -> None:
    User.create("leader@example.org", "Leader", None).join(world.project, "owner")
    db.session.flush()
    [mine] = [one for one in world.mara.memberships if one.project_id == world.project.id]
    mine.change_role("member")
    assert proposal("proposed").listed
    mine.change_role("owner")


@mutation
def an_agent_wants_to_ask_a_server(world: World) -> None:
    world.propose(action_type="api_call", url="https://api.example.org/", method="GET")


@mutation
def an_owner_lists_the_server(world: World) -> None:
    AllowedHost.add(world.project.id, "api.example.org", world.mara)


@mutation
def an_owner_stores_a_secret_for_it(world: World) -> None:
    value = "a secret value"
    ProjectSecret.store(
        world.project.id, "token", "https://api.example.org", value, world.mara, "a key of tests"
    )


@mutation
def the_secret_is_removed(world: World) -> None:
    db.session.delete(db.session.scalars(select(ProjectSecret)).one())


@mutation
def the_server_is_taken_from_the_list(world: World) -> None:
    db.session.delete(db.session.scalars(select(AllowedHost)).one())


@mutation
def a_plan_is_made(world: World) -> None:
    task = db.session.scalars(select(Task).order_by(Task.number).limit(1)).one()
    factories.plan(task, world.mara, "## Look\n\n`ls`")


@mutation
def a_plan_is_carried_out(world: World) -> None:
    task = db.session.scalars(select(Task).where(Task.status == "review")).one()
    factories.executed(task, world.mara, "It is done.")


@mutation
def an_audit_finds_something(world: World) -> None:
    factories.audited(world.project, world.mara, factories.finding())


@mutation
def an_audit_finds_it_again_and_another_one(world: World) -> None:
    other = factories.finding("b.md", priority="urgent")
    factories.audited(world.project, world.mara, factories.finding(evidence="line 9"), other)


@mutation
def an_audit_finds_one_no_more(world: World) -> None:
    factories.audited(world.project, world.mara, factories.finding())


@mutation
def a_document_is_written(world: World) -> None:
    world.write("Be kind.")


@mutation
def a_document_is_written_again(world: World) -> None:
    world.write("Be kind, and short.")


@mutation
def a_document_waits_for_the_executor(world: World) -> None:
    BrainDoc.ask_for(world.project.id, "trunks", "runbook", "# Run", None, world.mara.id)


@mutation
def something_is_audited(world: World) -> None:
    audit.record(f"person:{world.mara.id}", "labs.manage", "team_room", project_id=world.project.id)
    audit.record("system", "started", "web")


@mutation
def skills_are_found(world: World) -> None:
    factories.skill(world.project)
    factories.skill(world.project, "gone")


@mutation
def skills_change_and_go(world: World) -> None:
    said = {"source": "shipped", "path": "skills/ops-check", "status": "needs_setup"}
    assert Skill.mirror(world.project.id, [said], utcnow())


def differences(world: World, only: str = "") -> dict[str, list[str]]:
    """What differs after each kind of change, or after one; the screen is loaded anew each time."""
    pump = world.pump()
    pump.turn()
    found: dict[str, list[str]] = {}
    for name, change in MUTATIONS.items():
        screen = world.screen() if only in ("", name) else None
        change(world)
        db.session.commit()
        pump.turn()
        if screen is None:
            continue
        assert not screen.behind or name == a_labs_flag_is_switched_back.__name__, name
        screen.ask()
        if wrong := screen.differs_from(world.screen()):
            found[name] = wrong
        world.screens.clear()
        if name == only:
            break
    return found


def test_every_change_brings_the_page_to_what_a_fresh_load_shows(world: World) -> None:
    assert differences(world) == {}

    seen = {item["table"] for packet in world.packets for item in packet["items"]}
    assert seen == set(PUBLISHED)


def test_one_screen_that_misses_packets_catches_up_to_the_same(world: World) -> None:
    pump = world.pump()
    pump.turn()
    screen = world.screen()
    for number, change in enumerate(MUTATIONS.values()):
        world.screens[:] = [screen] if number % 5 == 4 else []
        change(world)
        db.session.commit()
        pump.turn()
        screen.ask()
    screen.behind.update(world.streams)
    screen.ask()

    assert screen.differs_from(world.screen()) == []


def forget_quoters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Message, "_touch_quoters", lambda self: None)


def forget_the_message_of_a_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.delivery._follow", lambda deliveries: None)


def forget_the_roster(monkeypatch: pytest.MonkeyPatch) -> None:
    users = replace(PUBLISHED["users"], also=lambda user: [])
    monkeypatch.setitem(publication._published_as, User, users)


def forget_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = publication._loud_columns(Membership) - {"role"}
    monkeypatch.setitem(publication._loud, Membership, columns)


def forget_the_card_of_a_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.PUBLISHED, "agent_status", replace(PUBLISHED["agent_status"], partial=None))


def forget_bulk_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.base.touch", lambda row, op="update": None)


def forget_the_proposal_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(publication._published_as, Run, replace(PUBLISHED["runs"], also=lambda run: []))


@pytest.mark.parametrize(
    ("broken", "caught_by"),
    [
        (forget_quoters, "the_quoted_message_is_deleted"),
        (forget_the_message_of_a_delivery, "a_worker_claims"),
        (forget_the_roster, "a_person_changes_the_name"),
        (forget_a_column, "a_role_changes"),
        (forget_the_card_of_a_status, "an_agent_does_something"),
        (forget_bulk_changes, "a_request_is_taken"),
        (forget_the_proposal_of_a_run, "the_run_of_an_approval_moves"),
    ],
)
@pytest.mark.databases("sqlite")
def test_the_comparison_catches_a_change_that_is_not_told(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[pytest.MonkeyPatch], None],
    caught_by: str,
) -> None:
    broken(monkeypatch)

    assert caught_by in differences(world, only=caught_by)


def test_what_is_said_in_private_is_on_no_other_stream(world: World) -> None:
    pump = world.pump()
    pump.turn()
    a_person_talks_with_an_agent_alone(world)
    world.dm.mark_read(world.mara, 1)
    db.session.commit()
    pump.turn()

    private = [packet for packet in world.packets if packet["items"]]

    assert [packet["stream"] for packet in private] == [f"user:{world.mara.id}"]
    tables = {item["table"] for item in private[0]["items"]}
    assert {"project_chat_messages", "chat_delivery_queue", "reactions", "thread_reads"} <= tables


def test_a_statuses_card_belongs_to_its_agent(world: World) -> None:
    status = db.session.scalars(select(AgentStatus).limit(1)).one()
    other = Project.create("other", "Other")
    db.session.commit()

    assert PUBLISHED["agent_status"].streams(status) == [f"project:{status.project_id}"]
    assert PUBLISHED["projects"].streams(other) == [f"project:{other.id}"]
