"""Servers and secrets of a project: nothing is allowed at first, and no secret leaves its place."""

from typing import Any

import pytest
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text

from models import AllowedHost, ProjectSecret
from models.errors import Conflict, Invalid, NotFound
from models.project import Project
from models.sealing import seal, unseal
from tests.models.conftest import Room
from tests.support.databases import SECRET_KEY

HOST = "https://api.example.org"
VALUE = "Bearer s3cret-value"


def allow(room: Room, host: str = "api.example.org") -> AllowedHost:
    return AllowedHost.add(room.project.id, host, room.mara)


def store(room: Room, **other: Any) -> ProjectSecret:
    said = {"name": "token", "origin": HOST, "value": VALUE, "secret_key": SECRET_KEY, **other}
    return ProjectSecret.store(room.project.id, by=room.mara, **said)


def values(room: Room, origin: str = HOST, secret_key: str = SECRET_KEY) -> dict[str, str]:
    return ProjectSecret.values(room.project.id, ["token"], origin, secret_key)


# Servers.


def test_nothing_is_allowed_at_first(room: Room) -> None:
    assert AllowedHost.origins(room.project.id) == frozenset()


@pytest.mark.parametrize(
    ("said", "origin"),
    [
        ("api.example.org", HOST),
        ("  API.Example.org/ ", HOST),
        ("api.example.org:443", HOST),
        ("https://api.example.org:8443", "https://api.example.org:8443"),
        ("http://intern", "http://intern"),
        ("http://10.0.0.1:8080/", "http://10.0.0.1:8080"),
    ],
)
def test_a_server_has_one_spelling(room: Room, said: str, origin: str) -> None:
    assert allow(room, said).origin == origin


@pytest.mark.parametrize("said", ["", " ", "*", "*.example.org", "a b", "api.example.org/path", "https://",
                                  "ftp://a.example", "a@b.example", "[::1]", "127.1", "a.example:0",
                                  "a.example?x"])  # fmt: skip
def test_what_is_no_server_is_refused(room: Room, said: str) -> None:
    with pytest.raises(Invalid) as error:
        allow(room, said)
    assert list(error.value.fields) == ["host"]


def test_a_server_is_listed_once_and_for_its_project_alone(room: Room, db: SQLAlchemy) -> None:
    other = Project.create("other", "Other")
    allow(room)

    with pytest.raises(Conflict):
        allow(room, "https://api.example.org:443/")
    assert AllowedHost.origins(other.id) == frozenset()
    with pytest.raises(NotFound):
        AllowedHost.of(other.id, AllowedHost.of_project(room.project.id)[0].id)


# Secrets.


def test_a_secret_is_stored_sealed_and_read_for_its_server(room: Room, db: SQLAlchemy) -> None:
    allow(room)
    store(room)
    db.session.flush()
    [stored] = db.session.scalars(text("select sealed from project_secrets"))

    assert values(room) == {"token": VALUE}
    assert b"s3cret" not in bytes(stored)


def test_the_same_secret_is_sealed_otherwise_each_time() -> None:
    assert seal(VALUE, SECRET_KEY, "a") != seal(VALUE, SECRET_KEY, "a")
    assert unseal(seal(VALUE, SECRET_KEY, "a"), SECRET_KEY, "a") == VALUE


def test_it_is_not_read_for_another_server_project_or_key(room: Room) -> None:
    """T-AP13."""
    allow(room)
    store(room)
    other = Project.create("other", "Other")

    with pytest.raises(Conflict, match=r"may be sent to https://api\.example\.org only"):
        values(room, "https://evil.example")
    with pytest.raises(NotFound, match="has no secret"):
        ProjectSecret.values(other.id, ["token"], HOST, SECRET_KEY)
    with pytest.raises(Conflict, match="another SECRET_KEY"):
        values(room, secret_key=SECRET_KEY[::-1])


@pytest.mark.parametrize("column", ["name", "origin"])
def test_a_row_that_is_changed_by_hand_is_not_read(room: Room, db: SQLAlchemy, column: str) -> None:
    allow(room)
    secret = store(room)
    setattr(secret, column, "https://evil.example" if column == "origin" else "other")
    db.session.flush()

    with pytest.raises(Conflict, match="store it again"):
        ProjectSecret.values(room.project.id, [secret.name], secret.origin, SECRET_KEY)


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", "1a"), ("name", "a b"), ("name", "x" * 65), ("origin", "https://evil.example"),
     ("value", ""), ("value", "short"), ("value", "x" * 4001), ("value", "line\r\nX-Evil: 1"),
     ("value", "ümlaut-lang"), ("value", " " * 9)],
)  # fmt: skip
def test_what_cannot_be_a_secret_is_refused(room: Room, field: str, value: str) -> None:
    allow(room)

    with pytest.raises(Invalid) as error:
        store(room, **{field: value})
    assert list(error.value.fields) == [field]


def test_a_name_is_given_once(room: Room) -> None:
    allow(room)
    store(room)

    with pytest.raises(Conflict):
        store(room, value="another value")
    assert values(room) == {"token": VALUE}
