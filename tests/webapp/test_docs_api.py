"""Documents over HTTP: read by who may read, written by who may write, and never over what was not seen."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select

from models import BrainDoc, ExecutorRequest, Worker, labs
from models.base import db_now, new_id
from models.brain_doc import LONGEST
from tests import factories
from tests.webapp.conftest import Site


@pytest.fixture
def trunks(site: Site) -> str:
    factories.agent(site.project, "trunks")
    factories.db.session.commit()
    return f"{site.api}/docs/trunks/runbook"


@pytest.fixture
def operator(site: Site) -> FlaskClient:
    return site.browser("operator")


def written(site: Site, content: str = "Restart it.") -> BrainDoc:
    doc = factories.doc(site.project, site.people["operator"], content, "runbook", "trunks")
    factories.db.session.commit()
    return doc


def executor_is_there() -> None:
    row = Worker(id=new_id(), queue="chat", host="here", pid=1, slots=4, busy=0, seen_at=db_now())
    factories.db.session.add(row)
    factories.db.session.commit()


@pytest.mark.parametrize(("there", "mode"), [(True, "direct"), (False, "backup")])
def test_an_edit_is_asked_of_the_executor(
    site: Site, operator: FlaskClient, trunks: str, db: SQLAlchemy, there: bool, mode: str
) -> None:
    if there:
        executor_is_there()

    answer = operator.put(trunks, json={"content": "Restart it.", "base_digest": None})

    assert answer.status_code == 202, answer.text
    request = db.session.scalars(select(ExecutorRequest)).one()
    assert answer.json == {"mode": mode, "request_id": str(request.id)}
    assert (request.kind, request.status, request.requested_by) == (
        "doc_edit",
        "queued",
        site.people["operator"].id,
    )
    assert request.payload["content"] == "Restart it."


def test_a_document_is_read_whole_and_listed_without_its_content(site: Site, trunks: str) -> None:
    doc = written(site)
    viewer = site.browser("viewer")

    whole, listed = viewer.get(trunks).get_json(), viewer.get(f"{site.api}/docs").get_json()["docs"]

    assert (whole["content"], whole["digest"], whole["version"]) == ("Restart it.", doc.digest, 1)
    assert [row["doc_type"] for row in listed] == ["runbook"]
    assert "content" not in listed[0]


@pytest.mark.parametrize("base", [None, "0" * 64])
def test_what_was_not_seen_is_not_written_over(
    site: Site, operator: FlaskClient, trunks: str, db: SQLAlchemy, base: str | None
) -> None:
    doc = written(site)

    answer = operator.put(trunks, json={"content": "Mine.", "base_digest": base})

    assert answer.status_code == 409
    said = answer.get_json()
    assert "Operator wrote version 1 at" in said["error"]["message"]
    assert said["row"]["digest"] == doc.digest
    assert db.session.scalars(select(ExecutorRequest)).all() == []


def test_what_it_says_already_may_be_asked_again(site: Site, operator: FlaskClient, trunks: str) -> None:
    written(site)

    assert operator.put(trunks, json={"content": "Restart it.", "base_digest": None}).status_code == 202


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"content": "x"}, "base_digest"),
        ({"content": "x", "base_digest": "short"}, "base_digest"),
        ({"content": 7, "base_digest": None}, "content"),
        ({"content": "x" * (LONGEST + 1), "base_digest": None}, "content"),
        ({"content": "x", "base_digest": None, "version": 3}, "version"),
    ],
)
def test_what_is_wrong_is_named(operator: FlaskClient, trunks: str, body: dict[str, Any], field: str) -> None:
    answer = operator.put(trunks, json=body)

    assert answer.status_code == 422
    assert field in answer.get_json()["error"]["fields"]


@pytest.mark.parametrize("name", ["nobody/runbook", "trunks/Run%20Book", "trunks/..", "project/x%22y"])
def test_there_is_no_such_document(site: Site, operator: FlaskClient, trunks: str, name: str) -> None:
    assert operator.get(f"{site.api}/docs/{name}").status_code == 404
    wrong = operator.put(f"{site.api}/docs/{name}", json={"content": "x", "base_digest": None})
    assert wrong.status_code in (404, 422)


def test_versions_are_told_newest_first_by_pages(site: Site, operator: FlaskClient, trunks: str) -> None:
    for number in range(1, 6):
        written(site, f"text {number}")

    first = operator.get(f"{trunks}/versions?limit=3").get_json()
    second = operator.get(f"{trunks}/versions?limit=3&before={first['before']}").get_json()

    numbers = [each["version"] for part in (first, second) for each in part["versions"]]
    assert (numbers, second["before"]) == ([5, 4, 3, 2, 1], None)
    assert operator.get(f"{trunks}/versions/2").get_json()["content"] == "text 2"
    for number in ("0", "6", "99999999999999999999999999"):
        assert operator.get(f"{trunks}/versions/{number}").status_code == 404


def test_a_text_is_compared_with_what_stands_there(site: Site, trunks: str) -> None:
    doc = written(site, "one\ntwo")

    said = (
        site.browser("viewer")
        .post(f"{trunks}/comparison", json={"content": "one\n<b>2</b>\u202e"})
        .get_json()
    )

    assert (said["digest"], said["content"]) == (doc.digest, "one\ntwo")
    assert "&lt;b&gt;2&lt;/b&gt;⟨U+202E⟩" in said["html"]
    assert "<b>" not in said["html"]
    assert said["changed_by"].startswith("Operator wrote version 1 at ")


def test_while_knowledge_is_off_there_is_nothing(
    site: Site, operator: FlaskClient, trunks: str, db: SQLAlchemy
) -> None:
    written(site)
    labs.write(site.project.id, {"knowledge": False})
    db.session.commit()

    for path in (trunks, f"{site.api}/docs", f"{trunks}/versions", f"{trunks}/versions/1"):
        assert operator.get(path).status_code == 404
    assert operator.put(trunks, json={"content": "x", "base_digest": None}).status_code == 404
    assert operator.post(f"{trunks}/comparison", json={"content": "x"}).status_code == 404


def test_a_document_of_another_project_is_not_there(site: Site, app: Flask, trunks: str) -> None:
    written(site)
    stranger = site.browser("stranger")

    for path in (trunks, f"{trunks}/versions", f"{trunks}/versions/1"):
        assert stranger.get(path).status_code == 404


def test_an_agents_token_reads_and_does_not_write(site: Site, app: Flask, trunks: str) -> None:
    written(site)
    program = factories.bearer(app, factories.token(site.project, "agent")[1])
    factories.db.session.commit()

    assert program.get(trunks).get_json()["content"] == "Restart it."
    assert program.put(trunks, json={"content": "x", "base_digest": None}).status_code == 403


def test_the_stream_says_what_is_asked_for_without_the_text(
    site: Site, operator: FlaskClient, trunks: str
) -> None:
    operator.put(trunks, json={"content": "a secret text", "base_digest": None})
    written(site, "another secret text")

    said = operator.get(f"/api/streams/project:{site.project.id}?since=0")

    assert said.status_code == 200
    tables = {item["table"] for item in said.get_json()["items"] or []}
    assert "secret" not in said.text
    assert tables >= {"executor_requests", "brain_docs"} or said.get_json()["reset"]
