"""What its author, and others, may do with a message."""

import pytest
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import update

from models import Message, User
from models.base import changes_of, utcnow
from models.errors import Conflict, Forbidden, Invalid
from models.message import Answer
from tests.models.conftest import Room


def touched(room: Room, what: object) -> bool:
    from models import db

    return any(change.row is what for change in changes_of(db.session()))


def test_only_the_author_may_edit_or_delete(room: Room) -> None:
    message = room.say("mine")

    with pytest.raises(Forbidden):
        message.edit(room.jonas, "his")
    with pytest.raises(Forbidden):
        message.delete(room.jonas)

    message.edit(room.mara, "mine, **better**")
    assert "<strong>better</strong>" in message.content_html
    assert message.edited_at is not None


def test_an_edit_with_the_same_text_is_none(room: Room) -> None:
    message = room.say("same")

    message.edit(room.mara, "same")

    assert message.edited_at is None


def test_what_was_deleted_in_another_tab_is_edited_no_more(room: Room, db: SQLAlchemy) -> None:
    message = room.say("mine")
    gone = {"deleted_at": utcnow(), "content": "", "content_html": ""}
    db.session.connection().execute(update(Message.__table__).values(**gone))

    with pytest.raises(Conflict):
        message.edit(room.mara, "back again")


def test_deleting_takes_the_text_and_stops_who_would_answer(room: Room) -> None:
    message = room.say("@bulma hello")

    message.delete(room.mara)

    assert (message.content, message.content_html) == ("", "")
    assert [delivery.status for delivery in message.deliveries] == ["processed"]
    with pytest.raises(Conflict):
        message.edit(room.mara, "again")
    with pytest.raises(Conflict):
        message.react(room.mara, "👍")


def test_changing_a_message_touches_who_quotes_it(room: Room) -> None:
    message = room.say("the first")
    quoter = room.say("about the first", reply_to=message.id)

    message.edit(room.mara, "the very first")

    assert touched(room, quoter)
    assert quoter.quoted is message


def test_a_reaction_counts_once_a_person(room: Room) -> None:
    message = room.say("well done")

    message.react(room.jonas, "👍")
    message.react(room.jonas, "👍")
    message.react(room.mara, "👍")
    assert len(message.reactions) == 2
    message.unreact(room.jonas, "👍")
    message.unreact(room.jonas, "👍")

    assert [reaction.user_id for reaction in message.reactions] == [room.mara.id]


def test_only_the_offered_emoji_are_reactions(room: Room) -> None:
    with pytest.raises(Invalid) as refused:
        room.say("hello").react(room.mara, "<script>")

    assert "emoji" in refused.value.fields


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        ("x" * 16_385, "16,384"),
        ("a\0b", "NUL"),
        ("\ud800", "surrogate"),
        (17, "text"),
        (None, "text"),
    ],
)
def test_text_that_cannot_be_kept_is_refused_by_name(room: Room, content: object, why: str) -> None:
    with pytest.raises(Invalid) as refused:
        room.say(content)  # type: ignore[arg-type]

    assert why in refused.value.fields["content"][0]


def test_pages_go_by_seq_in_both_directions(room: Room) -> None:
    for number in range(1, 8):
        room.say(f"message {number}")

    def seqs(**window: int) -> list[int]:
        return [message.seq for message in Message.page(room.thread.id, limit=3, **window)]

    assert seqs() == [5, 6, 7]
    assert seqs(before=5) == [2, 3, 4]
    assert seqs(after=2) == [3, 4, 5]


class TestReading:
    def test_the_read_mark_only_moves_forward_and_never_past_the_end(self, room: Room) -> None:
        room.say("one")
        room.say("two")

        assert room.thread.mark_read(room.jonas, 99).read_seq == 2
        assert room.thread.mark_read(room.jonas, 1).read_seq == 2
        assert room.thread.mark_read(room.mara, -3).read_seq == 0

    def test_a_message_to_a_person_is_read_when_he_has_read_it(self, room: Room) -> None:
        message = room.say("@jonas please look")
        assert message.status == "sent"

        room.thread.mark_read(room.mara, message.seq)
        assert message.status == "sent"
        room.thread.mark_read(room.jonas, message.seq)

        assert message.status == "read"

    def test_a_message_to_two_people_is_read_when_both_have_read_it(self, room: Room) -> None:
        kim = User.create("kim@example.org", "Kim", None)
        kim.join(room.project, "member")
        message = room.say("@jonas @kim please look")

        room.thread.mark_read(room.jonas, message.seq)
        assert message.status == "sent"
        room.thread.mark_read(kim, message.seq)

        assert message.status == "read"

    def test_a_message_to_an_agent_and_a_person_is_read_when_both_are_done(self, room: Room) -> None:
        message = room.say("@trunks @jonas please look")
        [delivery] = message.deliveries
        delivery.take()

        delivery.finish(delivery.lease_token or "", Answer.of("I looked"), {})
        assert message.status == "delivered"
        room.thread.mark_read(room.jonas, message.seq)

        assert message.status == "read"


def test_a_quote_shows_words_and_not_their_markup(room: Room) -> None:
    message = room.say("It is **not** the `database` &lt;\n\n```python\nx = 1 < 2\n```")

    assert message.excerpt == "It is not the database < x = 1 < 2"
    message.delete(room.mara)
    assert message.excerpt == ""
