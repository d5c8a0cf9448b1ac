"""Streams: who may read, and what a reader who comes back is told."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from jinja2 import TemplateNotFound
from sqlalchemy import update

from models import Delivery, Draft, Stream, Thread, db
from models.base import begin_reading, changed_rows, reading
from models.policy import TOKEN_RIGHTS, Principal
from models.posting import post
from realtime import rows, streams
from realtime.rows import collapsed
from tests.realtime.world import Screen, World, statements

PROJECT = UUID("01890000-0000-7000-8000-00000000000a")
PERSON = UUID("01890000-0000-7000-8000-00000000000b")


def person(role: str | None) -> Principal:
    roles = {PROJECT: role} if role else {}
    return Principal(kind="person", id=PERSON, session_id=uuid4(), roles=roles)


def token(kind: str, role: str = "owner") -> Principal:
    return Principal(
        kind="person" if kind == "user" else kind,  # type: ignore[arg-type]
        id=PERSON,
        token_id=uuid4(),
        token_kind=kind,
        scopes=TOKEN_RIGHTS[kind],
        roles={PROJECT: role},
    )


@pytest.mark.parametrize(
    ("principal", "kinds"),
    [
        (person("owner"), {"project", "admin", "user"}),
        (person("operator"), {"project", "user"}),
        (person("viewer"), {"project", "user"}),
        (person(None), {"user"}),
        (token("user"), {"project"}),
        (token("agent"), {"project"}),
        (token("worker"), set()),
        (Principal(kind="nobody"), set()),
    ],
)
def test_who_may_read_which_stream(principal: Principal, kinds: set[str]) -> None:
    names = {"project": PROJECT, "admin": PROJECT, "user": PERSON}

    allowed = {kind for kind, owner in names.items() if streams.may_read(principal, f"{kind}:{owner}")}

    assert allowed == kinds


def test_another_project_and_another_person_are_nobodys_business() -> None:
    for kind in streams.KINDS:
        assert not streams.may_read(person("owner"), f"{kind}:{uuid4()}")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "project",
        "project:",
        f"project:{PROJECT}x",
        f"project: {PROJECT}",
        f"project:{str(PROJECT).upper()}",
        f"project:{PROJECT.hex}",
        f"project:{{{PROJECT}}}",
        f"project:urn:uuid:{PROJECT}",
        f"task:{PROJECT}",
        f"PROJECT:{PROJECT}",
        f"project:{PROJECT}\n",
        "project:\ud800",
        None,
        7,
        ["project"],
    ],
)
def test_what_is_no_name_may_nobody_read(name: object) -> None:
    assert streams.may_read(person("owner"), f"project:{PROJECT}")
    assert not streams.may_read(person("owner"), name)  # type: ignore[arg-type]


def stream_of(world: World) -> str:
    return f"project:{world.project.id}"


def test_a_reader_gets_what_was_committed_since(world: World) -> None:
    name = stream_of(world)
    at = streams.head(name)
    said = world.say("hello @jonas")
    db.session.commit()
    said_id = str(said.id)

    answer = streams.catch_up(name, at)

    assert answer | {"items": None} == {
        "seq": at + 1,
        "items": None,
        "reset": False,
        "more": False,
        "live": [],
    }
    [item] = answer["items"]
    assert (item["seq"], item["table"], item["op"], item["id"]) == (
        at + 1,
        "project_chat_messages",
        "insert",
        said_id,
    )
    assert item["row"]["content"] == "hello @jonas"
    assert f'id="message_{said_id}"' in item["html"]
    assert streams.catch_up(name, at + 1)["items"] == []


def test_a_reader_gets_more_in_parts(world: World) -> None:
    name = stream_of(world)
    screen = Screen([name]).load()
    at = streams.head(name)
    db.session.rollback()
    for number in range(5):
        world.say(f"{number} @jonas")
        db.session.commit()

    first = streams.catch_up(name, at, limit=3)
    assert (first["seq"], first["more"], len(first["items"])) == (at + 3, True, 3)
    rest = streams.catch_up(name, first["seq"], limit=3)
    assert (rest["seq"], rest["more"], len(rest["items"])) == (at + 5, False, 2)

    for answer in (first, rest):
        screen._apply(name, answer["items"], answer["seq"])
    assert screen.differs_from(Screen([name]).load()) == []


@pytest.mark.parametrize("since", [None, -1, 10**6])
def test_a_reader_from_nowhere_starts_anew(world: World, since: int | None) -> None:
    answer = streams.catch_up(stream_of(world), since)

    assert answer["reset"]
    assert answer["items"] is None
    assert answer["seq"] == streams.head(stream_of(world))


def test_a_reader_below_the_floor_or_too_far_behind_starts_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = stream_of(world)
    at = streams.head(name)
    changed_rows(update(Stream).where(Stream.name == name).values(floor=3))
    db.session.commit()

    assert streams.catch_up(name, 2)["reset"]
    assert not streams.catch_up(name, 3)["reset"]

    monkeypatch.setattr(streams, "TOO_FAR", 2)
    assert streams.catch_up(name, at - 3)["reset"]
    assert not streams.catch_up(name, at - 2)["reset"]


def test_a_stream_on_which_nothing_was_said_stands_at_nought(world: World) -> None:
    name = f"user:{uuid4()}"

    assert streams.catch_up(name, 0) == {
        "seq": 0,
        "items": [],
        "reset": False,
        "more": False,
        "live": [],
    }
    assert streams.heads([name, stream_of(world)])[name] == 0


def test_a_reader_sees_what_others_committed_after_his_own_reading_began(world: World) -> None:
    """The snapshot of the request is older than the join; what came in between must not be missed."""
    name, room, mara = stream_of(world), world.room.id, world.mara.id
    db.session.rollback()
    with reading():
        at = streams.head(name)
        with world.app.app_context():
            begin_reading(False)
            post(db.session.get_one(Thread, room), Draft.of(mara, "meanwhile @jonas", "one"))
            db.session.commit()
            begin_reading(True)

        assert streams.head(name) == at
        assert streams.catch_up(name, at)["seq"] == at + 1


def test_nothing_uncommitted_is_lost_by_looking(world: World) -> None:
    world.project.name = "Unsaved"

    with pytest.raises(RuntimeError, match="not committed"):
        streams.catch_up(stream_of(world), 0)


def test_a_late_joiner_gets_the_answers_being_written_with_their_text(world: World) -> None:
    world.say("asked @trunks")
    world.say("private @trunks", thread=world.dm)
    db.session.commit()
    claimed = Delivery.claim(5)
    db.session.commit()
    one = next(d for d in claimed if d.thread_id == world.room.id)
    assert one.lease_token
    Delivery.progress(one.lease_token, "so far 👍🏽")
    db.session.commit()
    expected = {
        "message_id": str(one.reply_id),
        "delivery_id": str(one.id),
        "thread_id": str(one.thread_id),
        "agent": "trunks",
        "status": "idle",
        "attempt": 1,
        "offset": 0,
        "text": "so far 👍🏽",
    }
    name, mine, other = stream_of(world), f"user:{world.mara.id}", f"user:{world.jonas.id}"

    assert streams.catch_up(name, None)["live"] == [expected]
    assert len(streams.catch_up(mine, None)["live"]) == 1
    assert streams.catch_up(other, None)["live"] == []
    assert streams.live(f"admin:{world.project.id}") == []


def test_changes_of_a_row_are_one_item_at_the_last_place() -> None:
    a, b, c = uuid4(), uuid4(), uuid4()
    changes = [
        (1, "reactions", a, "insert"),
        (2, "reactions", b, "update"),
        (3, "reactions", a, "update"),
        (4, "reactions", c, "insert"),
        (5, "reactions", c, "delete"),
    ]

    items = [(item.seq, item.row_id, item.op) for item in collapsed(changes)]

    assert items == [(2, b, "update"), (3, a, "insert"), (5, c, "delete")]


def test_a_row_that_went_meanwhile_is_told_as_deleted(world: World) -> None:
    name = stream_of(world)
    said = world.say("hello @jonas")
    db.session.commit()
    at = streams.head(name)
    said.react(world.mara, "👍")
    db.session.commit()
    said.unreact(world.mara, "👍")
    db.session.commit()

    answer = streams.catch_up(name, at, limit=1)

    assert [(item["op"], item["row"]) for item in answer["items"]] == [("delete", None)]
    assert answer["more"]


def test_a_partial_that_is_missing_fails_loudly(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    at = streams.head(stream_of(world))
    world.say("hello @jonas")
    db.session.commit()
    lost = replace(rows.PUBLISHED["project_chat_messages"], partial="messages/_gone.html")
    monkeypatch.setitem(rows.PUBLISHED, "project_chat_messages", lost)

    with pytest.raises(TemplateNotFound):
        streams.catch_up(stream_of(world), at)


def test_catching_up_takes_the_same_number_of_statements_for_one_row_and_for_many(world: World) -> None:
    counts = []
    for many in (1, 20):
        at = streams.head(stream_of(world))
        for _ in range(many):
            world.say("hello @trunks").react(world.jonas, "👍")
        db.session.commit()
        with statements() as run:
            streams.catch_up(stream_of(world), at)
        counts.append(len(run))

    assert counts[0] == counts[1] <= 8
