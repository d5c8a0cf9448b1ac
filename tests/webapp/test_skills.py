"""Skills over HTTP and as a page: read by everybody here, checked by operators while it can be done."""

from collections.abc import Callable

import pytest
from click.testing import Result
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy

from models import AuditEntry, ExecutorRequest, Worker, labs
from models.base import db_now, new_id, utcnow
from models.skill import configuration
from tests import factories
from tests.webapp.conftest import Site


@pytest.fixture
def operator(site: Site) -> FlaskClient:
    return site.browser("operator")


@pytest.fixture
def page(site: Site) -> str:
    return f"/{site.project.key}/agents/skills"


def executor(queue: str = "runs", seen: float = 0.0) -> None:
    row = Worker(id=new_id(), queue=queue, host="here", pid=1, slots=4, busy=0, seen_at=db_now(-seen))
    factories.db.session.add(row)
    factories.db.session.commit()


def test_skills_are_read_by_name(site: Site) -> None:
    factories.skill(site.project, "b", "needs_setup", missing={"bins": ["jq"]})
    factories.skill(site.project, "a")
    factories.skill(site.elsewhere, "foreign")
    factories.db.session.commit()
    viewer = site.browser("viewer")

    said = viewer.get(f"/api/skills?project_id={site.project.id}").json["skills"]

    assert [(one["key"], one["status"], one["missing"]["bins"]) for one in said] == [
        ("a", "ready", []),
        ("b", "needs_setup", ["jq"]),
    ]
    assert viewer.get("/api/skills").json["skills"] == said, "the project used last"
    assert viewer.get(f"/api/skills?project_id={site.elsewhere.id}").status_code == 404


def test_a_check_is_asked_of_the_executor(site: Site, operator: FlaskClient, db: SQLAlchemy) -> None:
    skill = factories.skill(site.project)
    executor()

    answers = [operator.post(path) for path in (f"/api/skills/{skill.id}/check", f"{site.api}/skills/check")]

    asked = db.session.query(ExecutorRequest).order_by(ExecutorRequest.created_at).all()
    assert [answer.status_code for answer in answers] == [202, 202]
    assert [answer.json for answer in answers] == [
        {"mode": "direct", "request_id": str(request.id)} for request in asked
    ]
    assert {(request.kind, request.queue, request.requested_by) for request in asked} == {
        ("skill_check", "runs", site.people["operator"].id)
    }
    assert asked[0].payload == {"skill_id": str(skill.id), "key": "ops-check"}


@pytest.mark.parametrize("there", ["nobody", "the worker of answers", "one that was lost"])
def test_it_never_waits_for_an_executor(
    site: Site, operator: FlaskClient, db: SQLAlchemy, there: str
) -> None:
    skill = factories.skill(site.project)
    db.session.commit()
    if there != "nobody":
        executor("chat" if there == "the worker of answers" else "runs", seen=0 if "answers" in there else 31)

    for path in (f"/api/skills/{skill.id}/check", f"{site.api}/skills/check"):
        answer = operator.post(path)
        assert answer.status_code == 503
        assert answer.json["error"] == {
            "code": "executor_offline",
            "message": "Executor offline",
            "fields": {},
        }

    assert db.session.query(ExecutorRequest).count() == 0


def test_while_the_flag_is_off_there_are_none(site: Site, operator: FlaskClient, page: str) -> None:
    skill = factories.skill(site.project)
    labs.write(site.project.id, {"skills": False})
    executor()

    for answer in (
        operator.get(page),
        operator.get(f"/api/skills?project_id={site.project.id}"),
        operator.post(f"/api/skills/{skill.id}/check"),
        operator.post(f"{site.api}/skills/check"),
    ):
        assert answer.status_code == 404
    assert "agents/skills" not in operator.get(f"/{site.project.key}/agents").text


@pytest.mark.parametrize("way", ["the API", "the page"])
def test_switching_them_on_asks_the_executor_to_look(site: Site, db: SQLAlchemy, way: str) -> None:
    labs.write(site.project.id, {"skills": False})
    db.session.commit()
    owner = site.browser("owner")

    if way == "the API":
        owner.put(f"{site.api}/labs", json={"skills": True, "dms": True})
    else:
        owner.post(f"{site.settings}/labs", data={"flag": "skills", "on": "true"})

    [request] = db.session.query(ExecutorRequest).all()
    assert (request.kind, request.requested_by) == ("skill_check", None)


def test_the_page_groups_them_and_says_what_mends_each(site: Site, operator: FlaskClient, page: str) -> None:
    step = {"kind": "bins", "text": "Install jq.", "command": "sudo apt-get install jq"}
    factories.skill(site.project, "lacking", "needs_setup", missing={"bins": ["jq"]}, setup_steps=[step])
    off = [{"code": "disabled", "text": "It is switched off in this project."}]
    factories.skill(site.project, "off", "blocked", reasons=off, source="project")
    factories.skill(site.project, "fine", warnings=["The field colour is not read"])
    executor()

    text = operator.get(page).text

    order = [text.index(f'id="skills_{group}"') for group in ("needs_setup", "blocked", "ready")]
    assert order == sorted(order)
    for words in (
        "1 step to do",
        "sudo apt-get install jq",
        "Copy: Step 1 for lacking",
        "It is switched off in this project.",
        "The field colour is not read",
        "Requires executor connection",
    ):
        assert (words in text) == (words != "Requires executor connection"), words
    assert operator.get("/skills").location == page


def test_filters_are_in_the_address(site: Site, operator: FlaskClient, page: str) -> None:
    factories.skill(site.project, "look-at-disks", description="Of servers.")
    factories.skill(site.project, "lacking", "needs_setup")
    factories.db.session.commit()

    def shown(query: str) -> list[str]:
        text = operator.get(f"{page}?{query}").text
        return [key for key in ("look-at-disks", "lacking") if f">{key}</button>" in text]

    assert shown("status=ready") == ["look-at-disks"]
    assert shown("status=needs_setup&q=LACK") == ["lacking"]
    assert shown("q=of%20SERVERS") == ["look-at-disks"]
    assert shown("status=blocked") == []
    assert "No skill fits." in operator.get(f"{page}?status=blocked").text


def test_in_backup_the_page_says_so_and_the_button_is_off(
    site: Site, operator: FlaskClient, page: str, db: SQLAlchemy
) -> None:
    executor("chat")
    assert "No skill yet." in operator.get(page).text
    factories.skill(site.project)
    db.session.commit()

    text = operator.get(page).text

    assert 'data-state="backup"' in text
    assert text.count('disabled title="Requires executor connection"') == 2
    request = ExecutorRequest.ask(site.project.id, "skill_check", {}, None)
    db.session.flush()
    request.fail(None, "It took too long.")
    db.session.commit()
    assert "The last check failed" in operator.get(page).text


def test_a_check_on_its_way_is_shown(site: Site, operator: FlaskClient, page: str, db: SQLAlchemy) -> None:
    factories.skill(site.project)
    executor()
    ExecutorRequest.ask(site.project.id, "skill_check", {}, None)
    db.session.commit()

    assert operator.get(page).text.count("Checking…") == 4


def test_what_skills_find_configured_is_set_by_a_command(
    site: Site, flask: Callable[..., Result], db: SQLAlchemy
) -> None:
    key = site.project.key
    for path, value in (("a.b", "true"), ("a.c", "some words"), ("d", "3"), ("e", "NaN")):
        done = flask("skills", "set", key, path, value)
        assert done.exit_code == 0, done.output

    assert configuration(site.project.id) == {"a": {"b": True, "c": "some words"}, "d": 3, "e": "NaN"}
    assert db.session.query(ExecutorRequest).count() == 4
    entries = db.session.query(AuditEntry).filter_by(action="skill.configured").all()
    assert [entry.subject for entry in entries] == [f"{path} of skills" for path in ("a.b", "a.c", "d", "e")]
    for path, value in (("a..b", "1"), ("a", "[1]")):
        refused = flask("skills", "set", key, path, value)
        assert refused.exit_code == 1
        assert refused.output.startswith("Error: ")


def test_a_repeated_check_gets_the_first_answer(site: Site, operator: FlaskClient, db: SQLAlchemy) -> None:
    skill = factories.skill(site.project, checked_at=utcnow())
    executor()
    headers = {"Idempotency-Key": "once"}

    first = operator.post(f"/api/skills/{skill.id}/check", headers=headers)
    second = operator.post(f"/api/skills/{skill.id}/check", headers=headers)

    assert first.json == second.json
    assert db.session.query(ExecutorRequest).count() == 1
