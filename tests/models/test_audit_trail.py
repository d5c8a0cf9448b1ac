"""What the owners of a project see of the log that is everybody's: theirs, and nobody else's."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask_sqlalchemy import SQLAlchemy

from models import AuditEntry, Project, User, audit, audit_trail
from models.audit_trail import Filter, Told, Trail
from models.secret import digest
from tests.models.conftest import Room


@pytest.fixture
def other(db: SQLAlchemy) -> Project:
    project = Project.create("other", "Other")
    stranger = User.create("sam@example.org", "Sam Stranger", None)
    stranger.join(project, "owner")
    db.session.commit()
    return project


def say(
    action: str, actor: str = "operator", subject: str = "x", project: Project | None = None
) -> AuditEntry:
    return audit.record(actor, action, subject, project_id=project.id if project else None)


def seen(room: Room, **wanted: Any) -> list[str]:
    return [entry.action for entry in Trail(room.project, Filter(**wanted)).page().entries]


def test_a_project_sees_its_own_entries_and_those_of_its_members(room: Room, other: Project) -> None:
    stranger = User.by_email("sam@example.org")
    assert stranger
    say("own", project=room.project)
    say("theirs", project=other)
    say("sign_in", f"person:{room.jonas.id}")
    say("sign_in.theirs", f"person:{stranger.id}")
    say("password.changed", subject=f"user {room.mara.handle}")
    say("password.theirs", subject=f"user {stranger.handle}")
    address = " from 192.0.2.1"
    say("sign_in.failed", "nobody", f"account {digest(room.mara.email)[:16]}{address}")
    say("sign_in.unknown", "nobody", f"account {digest('who@example.org')[:16]}{address}")
    say("setup", "nobody", "project oasis")
    say("started", "system")

    assert seen(room) == ["setup", "sign_in.failed", "password.changed", "sign_in", "own"]


def test_what_a_member_does_elsewhere_is_not_seen_here(room: Room, other: Project) -> None:
    say("elsewhere", f"person:{room.mara.id}", project=other)

    assert seen(room) == []


def test_a_filter_is_by_actor_beginning_and_words(room: Room) -> None:
    mara, jonas = f"person:{room.mara.id}", f"person:{room.jonas.id}"
    for actor, action, subject in (
        (mara, "token.created", "worker Host"),
        (jonas, "token.revoked", "worker 100%"),
        (mara, "member.role", "user jonas"),
    ):
        say(action, actor, subject, room.project)

    assert seen(room, actor=mara) == ["member.role", "token.created"]
    assert seen(room, action="token.") == ["token.revoked", "token.created"]
    assert seen(room, subject="WORKER h") == ["token.created"]
    assert seen(room, subject="%") == ["token.revoked"]
    assert seen(room, action="token_") == []
    assert seen(room, actor=jonas, action="member.") == []


@pytest.fixture
def days(room: Room, monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """Five days with two entries each."""
    first = datetime(2026, 5, 1, 23, 59, tzinfo=UTC)
    for number in range(10):
        at = first + timedelta(days=number // 2, minutes=number % 2 * -5)
        monkeypatch.setattr(audit, "utcnow", lambda at=at: at)
        say(f"day{number // 2}", project=room.project)
    return [(first + timedelta(days=number)).date() for number in range(5)]


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [(None, None, [0, 1, 2, 3, 4]), (1, 2, [1, 2]), (4, None, [4]), (None, 0, [0]), (3, 1, []), (2, 2, [2])],
)
def test_days_are_whole_days_of_utc(
    room: Room, days: list[date], since: int | None, until: int | None, found: list[int]
) -> None:
    wanted = {
        "since": None if since is None else days[since],
        "until": None if until is None else days[until],
    }

    assert sorted({*seen(room, **wanted)}) == [f"day{number}" for number in found]


@pytest.mark.parametrize("day", [date(1, 1, 1), date(9000, 12, 31)])
def test_days_far_away_are_no_mistake(room: Room, days: list[date], day: date) -> None:
    assert seen(room, since=day, until=day) == []


def test_an_empty_log_has_days_too(room: Room) -> None:
    assert seen(room, since=date(2026, 1, 1), until=date(2026, 1, 2)) == []


def test_pages_follow_each_other_without_a_gap(room: Room, other: Project) -> None:
    for number in range(23):
        say(str(number), project=other if number % 3 == 0 else room.project)
    trail = Trail(room.project, Filter())

    found: list[str] = []
    before, pages = None, 0
    while pages == 0 or before is not None:
        entries, before = trail.page(before, 4)
        found += [entry.action for entry in entries]
        pages += 1

    assert found == [str(number) for number in reversed(range(23)) if number % 3]


def test_a_page_looks_only_so_far_back_and_says_where_to_go_on(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_trail, "REACH", 10)
    say("wanted", project=room.project)
    for _ in range(15):
        say("other", project=room.project)
    trail = Trail(room.project, Filter(action="wanted"))

    entries, older = trail.page()
    assert (entries, older) == ([], 7)
    entries, older = trail.page(older)
    assert ([entry.action for entry in entries], older) == (["wanted"], None)


def told(room: Room, **wanted: Any) -> list[Told]:
    copy, found = Trail(room.project, Filter(**wanted)).copy(), []
    while (piece := copy.more()) is not None:
        found += piece
    return found


def test_an_export_has_every_entry_and_tells_only_ones_own(
    room: Room, other: Project, db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_trail, "CHUNK", 3)
    for number in range(8):
        say(str(number), project=other if number % 2 else room.project)
    db.session.commit()

    found = told(room)

    assert [one.entry.seq for one in found] == list(range(1, 9))
    assert [one.whole for one in found] == [True, False] * 4


def test_an_export_by_a_filter_has_what_fits_and_nothing_of_others(
    room: Room, other: Project, db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_trail, "CHUNK", 2)
    for number in range(8):
        say("even" if number % 2 == 0 else "odd", project=other if number == 2 else room.project)
    db.session.commit()

    found = told(room, action="even")

    assert [(one.entry.seq, one.whole) for one in found] == [(1, True), (5, True), (7, True)]


def test_an_export_keeps_no_rows(room: Room, db: SQLAlchemy) -> None:
    say("x", project=room.project)
    db.session.commit()
    told(room)

    assert [row for row in db.session.identity_map.values() if isinstance(row, AuditEntry)] == []
