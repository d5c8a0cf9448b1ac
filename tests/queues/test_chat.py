"""The chat worker: what waits is answered, and each way to end is written once."""

from collections.abc import Callable, Sequence
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from agents.context import Pack
from agents.demo import OWN_KEY, addressed
from agents.wire import Call, Fail, Fault, Say
from models import Delivery, Proposal, db, labs
from models.markup import Rendered, render
from queues import deliveries, loop
from queues.deliveries import Claimed
from tests.queues.conftest import Running
from tests.queues.crew import Crew
from tests.support.processes import wait_until

Start = Callable[..., Running]
SOON = 1.5
"""A wish is seen after half a second at most; the rest is for a machine that does other things, too."""
SLOW = [Say("one two three four five six seven eight nine ten " * 20, delay=0.02)]


def test_a_delivery_is_answered_in_the_thread(crew: Crew, start: Start) -> None:
    asked = crew.ask("@trunks hello")

    start([Say("Hello there.")])

    ended = crew.wait(asked, "processed")
    answer = crew.answer_of(asked)
    assert answer is not None
    assert (answer.content, answer.author_key, answer.meta) == ("Hello there.", "trunks", {})
    assert (ended.attempts, ended.usage["output"]) == (1, 7)
    assert crew.doing("trunks") == "idle"


def test_an_answer_of_the_demo_is_one_for_ever(crew: Crew, start: Start) -> None:
    """Whatever is connected when somebody reads it."""
    asked = crew.ask("@trunks hello")

    start(None)

    crew.wait(asked, "processed")
    answer = crew.answer_of(asked)
    assert answer is not None
    assert answer.meta == {"demo": True}


def test_the_pages_are_told_the_words_while_they_come(crew: Crew, start: Start) -> None:
    asked = crew.ask()
    running = start([Say("grüße 🎉 an alle, die hier sind", delay=0.03)])
    crew.wait(asked, "processed")

    deltas = running.deltas()

    assert "".join(d["text"] for d in deltas) == "grüße 🎉 an alle, die hier sind"
    assert len(deltas) > 1
    lengths = [0]
    for delta in deltas:
        assert delta["offset"] == lengths[-1]
        lengths.append(lengths[-1] + len(delta["text"]))
    assert {d["stream"] for d in deltas} == {f"project:{crew.project.id}"}
    assert {d["message_id"] for d in deltas} == {str(crew.delivery(asked).reply_id)}
    assert {d["attempt"] for d in deltas} == {1}


def test_an_answer_in_a_dm_is_told_to_its_owner_alone(crew: Crew, start: Start) -> None:
    thread = crew.dm(crew.jonas)
    [asked] = crew.say("@trunks hello", thread, by=crew.jonas)
    running = start([Say("Between us.")])
    crew.wait(asked, "processed")

    assert {d["stream"] for d in running.deltas()} == {f"user:{crew.jonas.id}"}


def test_the_roster_and_the_pages_follow_what_the_agent_does(crew: Crew, start: Start) -> None:
    asked = crew.ask()
    look_first = Say(calls=(Call("agents_status"),))
    running = start([look_first, Say("All idle.", delay=0.1)])
    wait_until(lambda: crew.doing("trunks") == "writing", what="a writing agent")
    crew.wait(asked, "processed")
    wait_until(lambda: running.bus.of("agent")[-1]["status"] == "idle", what="an idle agent")

    said = [(line["status"], line["activity"]) for line in running.bus.of("agent")]

    assert ("tool", "using agents_status") in said
    assert said[0] == ("thinking", "")
    assert crew.doing("trunks") == "idle"


def test_an_agent_proposes_while_it_answers(crew: Crew, start: Start) -> None:
    labs.write(crew.project.id, {"team_room": True})
    db.session.commit()
    task = {"title": "Look", "description": "", "assignee_agent_key": None, "why": "It is time."}
    asked = crew.ask()
    start([Say(calls=(Call("propose_create_task", task),)), Say("It waits for you.")])
    crew.wait(asked, "processed")

    assert crew.answers() == ["It is time.", "It waits for you."]
    proposal = db.session.scalars(select(Proposal)).one()
    assert (proposal.proposed_by, proposal.status, proposal.action.headline) == (
        "trunks", "proposed", "Create the task “Look”",
    )  # fmt: skip
    assert proposal.message.message_type == "task_proposal"


def test_an_agent_is_idle_only_when_its_last_answer_ended(crew: Crew, start: Start) -> None:
    long, short = crew.ask("@trunks long"), crew.ask("@trunks short")

    def script(body: dict[str, Any]) -> Say:
        return SLOW[0] if "@trunks long" in _asked(body) else Say("short")

    start(script)
    crew.wait(short, "processed")

    wait_until(lambda: crew.doing("trunks") in ("thinking", "writing"), what="an agent at work")
    crew.wait(long, "processed", timeout=20)
    assert crew.doing("trunks") == "idle"


def test_markdown_that_takes_long_holds_up_no_other_answer(
    crew: Crew, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    long, short = crew.ask("@trunks long"), crew.ask("@trunks short")
    begun, go_on = Event(), Event()

    def slow(text: str) -> Rendered:
        if "long" in text:
            begun.set()
            assert go_on.wait(20)
        return render(text)

    monkeypatch.setattr("models.message.render", slow)
    start(lambda body: Say("long" if "@trunks long" in _asked(body) else "short", delay=0.05))
    assert begun.wait(10)
    crew.wait(short, "processed")
    go_on.set()

    assert crew.wait(long, "processed").status == "processed"


def _asked(body: dict[str, Any]) -> str:
    return addressed(body["messages"][0]["content"])


def test_what_was_written_so_far_is_kept_while_it_grows(crew: Crew, start: Start) -> None:
    asked = crew.ask()
    start(SLOW)

    first = crew.wait_partial(asked)
    wait_until(lambda: len(crew.delivery(asked).partial) > len(first), what="more text")

    assert SLOW[0].text.startswith(crew.delivery(asked).partial)


def test_stop_ends_an_answer_soon_and_keeps_its_text(crew: Crew, start: Start) -> None:
    asked = crew.ask()
    running = start(SLOW)
    running.wait_text()

    _stop(asked)

    ended = crew.wait(asked, "processed", timeout=SOON)
    answer = crew.answer_of(asked)
    assert ended.stopped_by == "Mara"
    assert answer is not None
    assert SLOW[0].text.startswith(answer.content)
    assert "".join(d["text"] for d in running.deltas()) == answer.content
    wait_until(lambda: running.transport.streams[0].closed, what="a closed stream")


def test_stop_is_seen_without_redis(crew: Crew, start: Start) -> None:
    asked = crew.ask()
    running = start(SLOW, REDIS_URL="")
    running.wait_text()

    _stop(asked)

    assert crew.wait(asked, "processed", timeout=SOON).stopped_by == "Mara"


def _stop(delivery_id: Any) -> None:
    db.session.get_one(Delivery, delivery_id).stop("Mara")
    db.session.commit()


def test_stop_before_the_first_word_leaves_no_message(crew: Crew, start: Start) -> None:
    asked = crew.ask()
    start([Say("late", first_delay=30)])
    crew.wait(asked, "delivered")

    _stop(asked)

    assert crew.wait(asked, "processed", timeout=SOON).stopped_by == "Mara"
    assert crew.answers() == []


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (Fail(401), "The API key was refused by the model provider."),
        (Fail(429, {"retry-after": "3600"}), "asks to wait 60 minutes"),
        (Say("half", stop="refusal"), "The model declined to answer."),
        (Say(""), "The model gave an empty answer."),
    ],
)
def test_a_fault_of_the_provider_fails_with_a_plain_sentence(
    crew: Crew, start: Start, step: Any, reason: str
) -> None:
    asked = crew.ask()
    start([step])

    assert reason in (crew.wait(asked, "failed").reason or "")
    assert crew.answers() == []
    assert crew.doing("trunks") == "idle"


def test_a_call_that_is_tried_again_takes_its_words_back(crew: Crew, start: Start) -> None:
    asked = crew.ask()
    broken = Say("wrong words here", delay=0.05, fault=Fault("drop", after=5))
    running = start([broken, Say("right words")])
    crew.wait(asked, "processed")

    shown = ""
    for delta in running.deltas():
        shown = shown[: delta["offset"]] + delta["text"]

    assert shown == "right words"
    assert [d["offset"] for d in running.deltas() if d.get("reset")] == [0]
    assert crew.answers() == ["right words"]


def test_an_answer_at_its_limit_is_kept_and_says_so(crew: Crew, start: Start) -> None:
    asked = crew.ask()
    start([Say("as far as it goes", stop="max_tokens")])

    ended = crew.wait(asked, "processed")

    assert ended.stopped_by == "a limit (the answer was cut at its length limit)"
    assert crew.answers() == ["as far as it goes"]


def test_a_retry_begins_a_new_attempt(crew: Crew, start: Start) -> None:
    asked = crew.ask()
    running = start([Fail(401), Say("now it works")])
    crew.wait(asked, "failed")

    db.session.get_one(Delivery, asked).retry("Mara")
    db.session.commit()

    assert crew.wait(asked, "processed").attempts == 2
    assert {d["attempt"] for d in running.deltas()} == {2}


def test_a_ring_does_not_wait_until_the_worker_has_taken_breath(
    crew: Crew, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "BREATH", 60.0)
    start(lambda body: Say("here"))
    crew.wait(crew.ask(), "processed")  # the end of which is a nudge

    assert crew.wait(crew.ask(), "processed").attempts == 1


def test_a_backlog_is_worked_off_in_order_on_return(crew: Crew, start: Start) -> None:
    for number in range(5):
        crew.ask(f"@trunks {number}")
    assert not crew.healthy()

    start(lambda body: Say(f"to {_asked(body)[-1]}"), CHAT_SLOTS=1)
    crew.wait_all()

    assert crew.answers() == [f"to {number}" for number in range(5)]
    assert crew.healthy()


def test_a_burst_over_the_slots_all_ends_and_never_more_run_at_once(crew: Crew, start: Start) -> None:
    for number in range(40):
        crew.say(f"@trunks {number}")
    running = start(lambda body: Say("done", first_delay=0.05))
    most = 0

    def ended() -> bool:
        nonlocal most
        most = max(most, crew.statuses().count("delivered"))
        return set(crew.statuses()) == {"processed"}

    wait_until(ended, 30, "the end of all", pause=0.01)

    assert len(crew.answers()) == 40
    assert 1 < most <= 16
    assert len(running.transport.requests) == 40


def test_an_answer_that_cannot_be_prepared_holds_up_no_other(
    crew: Crew, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [crew.ask(f"@trunks {number}") for number in range(3)]
    real = deliveries.prepare

    def prepare(claimed: Sequence[Claimed]) -> dict[UUID, Pack]:
        if asked[1] in {one.id for one in claimed}:
            raise ValueError("this one is broken")
        return real(claimed)

    monkeypatch.setattr(deliveries, "prepare", prepare)
    start(lambda body: Say("hello"))
    crew.wait_all()

    assert [crew.delivery(one).status for one in asked] == ["processed", "failed", "processed"]


def test_two_workers_answer_each_delivery_once(crew: Crew, start: Start) -> None:
    first = start(lambda body: Say("first", first_delay=0.02), CHAT_SLOTS=2)
    second = start(lambda body: Say("second", first_delay=0.02), CHAT_SLOTS=2)
    for number in range(20):
        crew.ask(f"@trunks {number}")
    crew.wait_all()

    counts = [len(running.transport.requests) for running in (first, second)]

    assert sum(counts) == 20
    assert min(counts) > 0
    assert len(crew.answers()) == 20
    assert crew.doing("trunks") == "idle"


def test_agents_that_call_each_other_are_stopped_by_the_breaker(crew: Crew, start: Start) -> None:
    crew.ask("@trunks begin")

    def script(body: dict[str, Any]) -> Say:
        own = OWN_KEY.search(str(body["system"]))
        return Say("@trunks you" if own and own[1] == "bulma" else "@bulma you")

    start(script)
    wait_until(crew.paused, 20, "the breaker")

    crew.wait_all()
    turns = len(crew.answers())
    assert turns == 7


def test_a_draining_worker_puts_back_what_it_could_not_finish(crew: Crew, start: Start) -> None:
    asked = crew.ask()
    running = start(SLOW)
    running.wait_text()

    running.stop()

    back = crew.delivery(asked)
    assert (back.status, back.attempts, back.lease_token, back.partial) == ("queued", 0, None, "")
    assert crew.doing("trunks") == "idle"
    assert not crew.healthy()


def test_a_draining_worker_lets_short_answers_end(crew: Crew, start: Start) -> None:
    asked = crew.ask()
    running = start([Say("almost done", first_delay=0.5)], DRAIN_SECONDS=5)
    crew.wait(asked, "delivered")
    running.worker.stop()
    wait_until(lambda: not crew.healthy(), what="a worker that took leave")
    other = crew.ask("@bulma later")

    running.thread.join(10)

    assert crew.answers() == ["almost done"]
    assert crew.delivery(other).status == "queued"


def test_a_worker_whose_lease_was_taken_writes_nothing(crew: Crew, start: Start) -> None:
    asked = crew.ask()
    running = start(SLOW)
    running.wait_text()

    db.session.get_one(Delivery, asked).fail("the watchdog was first")
    db.session.commit()
    wait_until(lambda: running.transport.streams[0].closed, what="the end of the turn")
    running.stop()

    ended = crew.delivery(asked)
    assert (ended.status, ended.reason) == ("failed", "the watchdog was first")
    assert crew.answers() == []
    assert crew.doing("trunks") == "idle"
