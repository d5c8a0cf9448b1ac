"""Who is addressed by what, and what a repeat gives."""

import pytest
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import update

from models import Delivery, Draft, Message, Thread
from models.base import utcnow
from models.errors import Conflict, Invalid
from models.message import Answer
from models.posting import deliver, post, post_all
from models.thread import BREAKER_TOKENS, BREAKER_TURNS
from tests.models.conftest import Room


def targets(message: Message) -> list[str]:
    return sorted(delivery.target_agent_key for delivery in message.deliveries)


@pytest.mark.parametrize(
    ("text", "agents"),
    [
        ("@trunks hello", ["trunks"]),
        ("@trunks and @bulma, hello", ["bulma", "trunks"]),
        ("@all hello", ["bulma", "krillin", "trunks"]),
        ("hello", ["trunks"]),
        ("@ghost hello", ["trunks"]),
        ("@jonas hello", []),
        ("@jonas and @bulma hello", ["bulma"]),
        ("write to bulma@example.org", ["trunks"]),
        ("`@bulma` is how you mention her", ["trunks"]),
        ("```\n@bulma\n```", ["trunks"]),
        ("@Bulma in capitals is nobody", ["trunks"]),
        ("@trunks @trunks @trunks", ["trunks"]),
    ],
)
def test_mentions_decide_whom_a_message_addresses(room: Room, text: str, agents: list[str]) -> None:
    assert targets(room.say(text)) == agents


def test_without_a_default_agent_nobody_is_addressed(room: Room) -> None:
    room.project.default_agent_key = None

    assert targets(room.say("hello")) == []


def test_an_answer_to_an_agents_message_goes_to_that_agent(room: Room) -> None:
    [delivery] = room.say("@bulma hello").deliveries
    delivery.take()
    delivery.finish(delivery.lease_token or "", Answer.of("hi"), {})

    assert targets(room.say("thanks", reply_to=delivery.reply_id)) == ["bulma"]


def test_an_answer_to_a_persons_message_addresses_no_agent(room: Room) -> None:
    said = room.say("@jonas lunch?")

    assert targets(room.say("yes", by=room.jonas, reply_to=said.id)) == []


def test_the_same_client_id_again_answers_with_the_first_message(room: Room, db: SQLAlchemy) -> None:
    first = room.say("once", client_id="a")
    db.session.commit()

    assert room.say("once", client_id="a").id == first.id
    assert room.thread.last_seq == 1


def test_the_same_client_id_with_another_text_is_refused(room: Room) -> None:
    room.say("once", client_id="a")

    with pytest.raises(Conflict) as refused:
        room.say("twice", client_id="a")

    assert "client_id" in refused.value.fields


@pytest.mark.parametrize(
    "edits", [["better"], ["better", "best"], ["better", "once"], ["better", None], [None]]
)
def test_a_repeat_is_told_from_news_after_the_message_was_changed(
    room: Room, db: SQLAlchemy, edits: list[str | None]
) -> None:
    """Each None deletes. Another text under the same client_id would else be lost without a word."""
    first = room.say("once", client_id="a")
    for text in edits:
        first.edit(room.mara, text) if text else first.delete(room.mara)
        db.session.commit()

    assert room.say("once", client_id="a").id == first.id
    with pytest.raises(Conflict):
        room.say("news", client_id="a")


def test_what_was_changed_before_digests_were_kept_is_not_called_another_text(room: Room) -> None:
    first = room.say("once", client_id="a")
    first.edit(room.mara, "better")
    first.first_digest = None

    assert room.say("once", client_id="a").id == first.id
    first.edit(room.mara, "best")
    assert first.first_digest is None, "what it said first is not known any more"


def test_two_people_may_use_the_same_client_id(room: Room) -> None:
    assert room.say("mine", client_id="a").id != room.say("mine", client_id="a", by=room.jonas).id


def test_a_batch_numbers_without_holes_whatever_is_refused_in_it(room: Room, db: SQLAlchemy) -> None:
    room.say("before", client_id="used")
    drafts = [
        Draft.of(room.mara.id, "one", "b1"),
        Draft.of(room.mara.id, "another text", "used"),
        Draft.of(room.jonas.id, "two", "b2"),
        Draft.of(room.jonas.id, "two", "b2"),
    ]

    results = post_all(room.thread, drafts)
    db.session.commit()

    assert isinstance(results[1], Conflict)
    assert results[2] is results[3]
    assert [message.seq for message in Message.page(room.thread.id)] == [1, 2, 3]


def test_a_quote_must_be_of_the_same_thread(room: Room, db: SQLAlchemy) -> None:
    from models import Project

    elsewhere = Project.create("other", "Other").room
    foreign = post(elsewhere, Draft.of(room.mara.id, "there", "x"))

    with pytest.raises(Invalid) as refused:
        room.say("here", reply_to=foreign.id)

    assert "reply_to" in refused.value.fields


class TestBreaker:
    def answered(self, room: Room, delivery: Delivery, text: str) -> Message:
        from models import db

        assert delivery.take()
        assert delivery.finish(delivery.lease_token or "", Answer.of(text), {"output": 10})
        return db.session.get_one(Message, delivery.reply_id)

    def exchange(self, room: Room) -> Message:
        """Let two agents call each other until one of them is held back."""
        message = room.say("@trunks ask @bulma about it")
        [delivery] = [d for d in message.deliveries if d.target_agent_key == "trunks"]
        for _ in range(BREAKER_TURNS + 2):
            other = "bulma" if delivery.target_agent_key == "trunks" else "trunks"
            message = self.answered(room, delivery, f"@{other} and what do you think?")
            if message.meta.get("held"):
                return message
            [delivery] = message.deliveries
        pytest.fail("nothing stopped the agents")

    def test_agents_that_keep_answering_each_other_are_stopped(self, room: Room) -> None:
        held = self.exchange(room)

        assert held.deliveries == []
        assert room.thread.paused_at is not None
        assert Message.page(room.thread.id)[-1].author == "system"

    def test_continue_delivers_what_was_held(self, room: Room) -> None:
        held = self.exchange(room)

        assert len(room.thread.resume()) == 1

        assert room.thread.paused_at is None
        assert len(held.deliveries) == 1

    def test_continue_delivers_what_a_person_delivered_meanwhile_no_more(self, room: Room) -> None:
        held = self.exchange(room)
        [key] = held.meta["held"]
        deliver(room.thread, held, key)

        assert room.thread.resume() == []
        assert [delivery.target_agent_key for delivery in held.deliveries] == [key]

    def test_a_pause_that_began_while_a_person_waited_for_his_number_ends_with_it(
        self, room: Room, db: SQLAlchemy
    ) -> None:
        assert room.thread.paused_at is None
        paused = {"paused_at": utcnow(), "paused_seq": 1, "agent_turns": BREAKER_TURNS + 1}
        db.session.connection().execute(update(Thread.__table__).values(**paused))

        room.say("stop that")

        db.session.expire(room.thread)
        assert (room.thread.paused_at, room.thread.agent_turns) == (None, 0)

    def test_stop_drops_what_was_held(self, room: Room) -> None:
        held = self.exchange(room)

        room.thread.halt()

        assert held.deliveries == []
        assert "held" not in held.meta
        assert room.thread.paused_at is None
        with pytest.raises(Conflict):
            room.thread.resume()

    def test_a_persons_word_lifts_it_and_drops_what_was_held(self, room: Room, db: SQLAlchemy) -> None:
        held = self.exchange(room)
        db.session.commit()

        room.say("enough, thanks")
        db.session.commit()

        assert room.thread.paused_at is None
        assert room.thread.agent_turns == 0
        assert "held" not in held.meta
        later = self.exchange(room)
        room.thread.resume()
        assert (held.deliveries, len(later.deliveries)) == ([], 1)

    def test_however_much_was_held_it_is_told_once_and_all_of_it_goes_on(
        self, room: Room, db: SQLAlchemy
    ) -> None:
        first = self.exchange(room)
        began = room.thread.paused_at
        more = [self.called(room, number) for number in range(25)]
        db.session.commit()
        assert room.thread.paused_at == began
        lines = db.session.query(Message).where(Message.message_type == "system").count()
        assert lines == 1

        assert len(room.thread.resume()) == 26

        assert [len(message.deliveries) for message in (first, *more)] == [1] * 26
        assert not any("held" in message.meta for message in more)

    def called(self, room: Room, number: int) -> Message:
        """Another message of an agent, which calls one."""
        draft = Draft.of(None, f"@bulma and {number}?", f"more-{number}", agent_key="trunks")
        return post(room.thread, draft)

    def test_several_are_held_in_one_transaction(self, room: Room, db: SQLAlchemy) -> None:
        room.thread.agent_turns = BREAKER_TURNS
        drafts = [Draft.of(None, f"@bulma {n}", f"b{n}", agent_key="trunks") for n in range(3)]

        messages = post_all(room.thread, drafts)
        db.session.commit()

        assert [message.meta.get("held") for message in messages] == [["bulma"]] * 3  # type: ignore[union-attr]
        assert db.session.query(Message).where(Message.message_type == "system").count() == 1
        assert len(room.thread.resume()) == 3

    def test_an_older_message_that_an_agent_passes_on_is_held_and_released(self, room: Room) -> None:
        old = room.say("@jonas lunch?")
        self.exchange(room)

        deliver(room.thread, old, "krillin", by_agent="bulma")

        assert old.meta["held"] == ["krillin"]
        room.thread.resume()
        assert targets(old) == ["krillin"]

    def test_much_text_pauses_them_as_many_turns_do(self, room: Room, db: SQLAlchemy) -> None:
        [delivery] = room.say("@trunks ask @jonas").deliveries
        delivery.take()

        delivery.finish(delivery.lease_token or "", Answer.of("@bulma?"), {"output": BREAKER_TOKENS + 1})

        assert db.session.get_one(Message, delivery.reply_id).meta["held"] == ["bulma"]
        assert room.thread.paused_at


def test_an_agents_message_goes_only_to_whom_it_mentions(room: Room, db: SQLAlchemy) -> None:
    [delivery] = room.say("@trunks hello").deliveries
    delivery.take()

    delivery.finish(delivery.lease_token or "", Answer.of("all fine, I am @trunks"), {})

    assert db.session.get_one(Message, delivery.reply_id).deliveries == []
