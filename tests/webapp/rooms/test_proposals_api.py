"""Proposals over HTTP: who sees them, who decides, and what is answered to whom comes second."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select
from werkzeug.test import TestResponse

from models import Approval, AuditEntry, Proposal, Run, Thread, User, labs
from models.base import Stateful, new_id, utcnow
from models.policy import TOKEN_RIGHTS
from models.session import FRESH, UserSession
from tests import factories
from tests.webapp.rooms.conftest import House

CLICKS, SESSIONS = 50, 5
NOTE = {"path": "notes/a.txt", "content": "one\n"}


@pytest.fixture
def proposal(house: House, db: SQLAlchemy) -> Proposal:
    made = factories.proposal(house.thread, house.trunks)
    db.session.commit()
    return made


def path(proposal: Proposal, verb: str = "") -> str:
    return f"/api/proposals/{proposal.id}" + (f"/{verb}" if verb else "")


def approve(client: FlaskClient, proposal: Proposal, digest: str = "", **more: Any) -> TestResponse:
    return client.post(path(proposal, "approve"), json={"digest": digest or proposal.digest, **more})


def error(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["error"]["code"]


def private(house: House, db: SQLAlchemy, owner: User) -> Proposal:
    """A proposal in this person's own conversation."""
    thread = Thread(project_id=house.project.id, title="DM:trunks", kind="dm", owner_user_id=owner.id)
    db.session.add(thread)
    db.session.flush()
    made = factories.proposal(thread, house.trunks)
    db.session.commit()
    return made


# Reading.


def test_a_proposal_says_all_that_is_decided_on(house: House, jonas: FlaskClient, proposal: Proposal) -> None:
    said = jonas.get(path(proposal)).get_json()

    assert said["digest"] == proposal.digest
    assert said["params"] == {"title": "Look at the disk", "description": "", "assignee_agent_key": None}
    assert said["headline"] == "Create the task “Look at the disk”"
    assert said["object_name"] == "Look at the disk"
    assert said["rules_shown"][0]["level"] == said["risk_level"] == "low"
    assert (said["status"], said["execution"], said["decisions"]) == ("proposed", None, [])


def test_the_message_shows_it_in_the_seeds_schema(
    house: House, mara: FlaskClient, proposal: Proposal
) -> None:
    address = f"/api/threads/{house.thread.id}/messages"
    [before] = mara.get(address).get_json()["messages"]
    approve(mara, proposal)
    [after] = mara.get(address).get_json()["messages"]

    assert before["row"]["message_type"] == "task_proposal"
    assert before["row"]["metadata"]["status"] == "proposed"
    assert after["row"]["metadata"]["status"] == "approved"
    assert after["row"]["metadata"]["approved_by"] == "mara"


def test_pages_go_back_by_key(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    made = [str(factories.proposal(house.thread, house.trunks).id) for _ in range(5)]
    db.session.commit()
    asked = f"/api/proposals?project_id={house.project.id}&limit=2"
    first = mara.get(asked).get_json()
    second = mara.get(f"{asked}&before={first['before']}").get_json()
    third = mara.get(f"{asked}&before={second['before']}").get_json()

    pages = [[row["id"] for row in page["proposals"]] for page in (first, second, third)]
    assert pages == [made[:2:-1], made[2:0:-1], made[:1]]
    assert third["before"] is None


def test_a_page_can_be_of_one_status(house: House, mara: FlaskClient, proposal: Proposal) -> None:
    approve(mara, proposal)

    assert len(mara.get("/api/proposals?status=approved").get_json()["proposals"]) == 1
    assert mara.get("/api/proposals?status=proposed").get_json()["proposals"] == []
    assert mara.get("/api/proposals?status=done").status_code == 422
    assert mara.get(f"/api/proposals?before={new_id()}").status_code == 404


def test_a_stranger_finds_nothing(house: House, app: Flask, proposal: Proposal) -> None:
    stranger = factories.signed_in(app, factories.member(factories.project(), "owner"))

    assert stranger.get(path(proposal)).status_code == 404
    assert stranger.get(f"/api/proposals?project_id={house.project.id}").status_code == 404
    assert stranger.get("/api/proposals").get_json()["proposals"] == []
    assert approve(stranger, proposal).status_code == 404


def test_a_conversations_proposal_is_its_owners(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    kim = factories.member(house.project, "operator", "Kim")
    proposal = private(house, db, kim)
    own = house.browser(kim)

    assert mara.get(path(proposal)).status_code == 404
    assert approve(mara, proposal).status_code == 404
    assert mara.get("/api/proposals").get_json()["proposals"] == []
    assert [row["id"] for row in own.get("/api/proposals").get_json()["proposals"]] == [str(proposal.id)]
    assert approve(own, proposal).status_code == 200


def test_it_is_the_projects_when_its_owner_may_not_decide(
    house: House, mara: FlaskClient, jonas: FlaskClient, db: SQLAlchemy
) -> None:
    proposal = private(house, db, house.jonas)

    assert mara.get(f"/api/threads/{proposal.thread_id}/messages").status_code == 404
    assert approve(jonas, proposal).status_code == 403
    assert approve(mara, proposal).status_code == 200


@pytest.mark.parametrize(("flag", "kind"), [("team_room", "room"), ("dms", "dm")])
def test_a_flag_that_is_off_hides_its_proposals(
    house: House, mara: FlaskClient, db: SQLAlchemy, flag: str, kind: str
) -> None:
    room = factories.proposal(house.thread, house.trunks)
    made = {"room": room, "dm": private(house, db, house.mara)}
    labs.write(house.project.id, {flag: False})
    db.session.commit()

    listed = [row["id"] for row in mara.get("/api/proposals").get_json()["proposals"]]
    assert listed == [str(each.id) for name, each in made.items() if name != kind]
    assert mara.get(path(made[kind])).status_code == 404
    assert approve(mara, made[kind]).status_code == 404


# Deciding.


def test_a_repeat_under_its_key_gets_the_first_answer(mara: FlaskClient, proposal: Proposal) -> None:
    once = {"json": {"digest": proposal.digest}, "headers": {"Idempotency-Key": "one"}}
    first, again = (mara.post(path(proposal, "approve"), **once) for _ in range(2))

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.get_json() == first.get_json()


def test_approving(mara: FlaskClient, house: House, proposal: Proposal, db: SQLAlchemy) -> None:
    answer = approve(mara, proposal)

    assert answer.status_code == 200
    said = answer.get_json()
    assert (said["status"], said["execution"], said["approved_by"]) == (
        "approved", "waiting", str(house.mara.id),
    )  # fmt: skip
    [decision] = said["decisions"]
    assert (decision["decision"], decision["digest"]) == ("approved", proposal.digest)
    assert db.session.scalars(select(Run.status)).all() == ["queued"]


def test_who_comes_second_sees_who_was_first(house: House, mara: FlaskClient, proposal: Proposal) -> None:
    kim = house.newcomer("operator")
    assert approve(mara, proposal).status_code == 200
    second = kim.post(path(proposal, "reject"), json={"digest": proposal.digest})

    assert error(second) == (409, "decided")
    assert "Mara Lindqvist approved this at 20" in second.get_json()["error"]["message"]
    assert second.get_json()["row"]["status"] == "approved"


def test_who_looked_at_an_earlier_version_is_told_so(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    proposal = factories.proposal(house.thread, house.trunks, "file_write", **NOTE)
    db.session.commit()
    before, other = proposal.digest, house.newcomer("operator")
    edited = mara.patch(path(proposal), json={"digest": before, "params": NOTE | {"content": "two"}})
    late = approve(other, proposal, before)

    assert edited.get_json()["version"] == 2
    assert error(late) == (409, "changed")
    assert "Mara Lindqvist edited this" in late.get_json()["error"]["message"]
    assert late.get_json()["row"]["params"]["content"] == "two"


def test_an_edit_voids_and_says_why(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    proposal = factories.proposal(house.thread, house.trunks, "file_write", **NOTE)
    db.session.commit()
    before = proposal.digest
    approve(mara, proposal, before)
    mara.patch(path(proposal), json={"digest": before, "params": NOTE | {"content": "two"}})
    late = approve(mara, proposal, before)

    assert error(late) == (409, "changed")
    assert late.get_json()["error"]["message"] == "the approval of this is void: Mara Lindqvist edited it"


def test_unknown_is_missing(mara: FlaskClient, house: House) -> None:
    body = {"digest": "0" * 64}

    assert error(mara.post(f"/api/proposals/{new_id()}/approve", json=body)) == (404, "not_found")


def test_a_reason_is_kept(mara: FlaskClient, proposal: Proposal) -> None:
    body = {"digest": proposal.digest, "reason": "the disk is new"}
    said = mara.post(path(proposal, "reject"), json=body).get_json()

    assert said["decisions"][0]["reason"] == "the disk is new"


def test_not_now(mara: FlaskClient, proposal: Proposal) -> None:
    assert [mara.post(path(proposal, "later")).status_code for _ in range(2)] == [204, 204]
    assert mara.get(path(proposal)).get_json()["status"] == "proposed"
    assert [mara.delete(path(proposal, "later")).status_code for _ in range(2)] == [204, 204]


def test_a_high_risk(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    proposal = factories.proposal(house.thread, house.trunks, "file_write", path=".env", content="")
    db.session.commit()
    session = db.session.query(UserSession).one()
    session.authenticated_at = utcnow() - FRESH * 2
    db.session.commit()
    stale = approve(mara, proposal, name=".env")
    session.authenticated_at = utcnow()
    db.session.commit()
    untyped = approve(mara, proposal)

    assert error(stale) == (403, "reauthenticate")
    assert (error(untyped), list(untyped.get_json()["error"]["fields"])) == ((422, "invalid"), ["name"])
    assert approve(mara, proposal, name=".env").status_code == 200


@pytest.mark.parametrize(
    ("verb", "body", "field"),
    [
        ("approve", {}, "digest"),
        ("approve", {"digest": "0" * 63}, "digest"),
        ("approve", {"digest": None}, "digest"),
        ("approve", {"digest": ["0" * 64]}, "digest"),
        ("approve", {"digest": "0" * 64, "status": "executed"}, "status"),
        ("approve", {"digest": "0" * 64, "approved_by": "me"}, "approved_by"),
        ("reject", {"digest": "0" * 64, "reason": 5}, "reason"),
        ("reject", {"digest": "0" * 64, "reason": "x" * 3000}, "reason"),
        ("", {"digest": "0" * 64}, "params"),
        ("", {"digest": "0" * 64, "params": {}, "risk_level": "none"}, "risk_level"),
        ("", {"digest": "0" * 64, "params": {}, "canonical": "x"}, "canonical"),
    ],
)
def test_a_field_that_is_wrong_is_named(
    mara: FlaskClient, proposal: Proposal, verb: str, body: dict[str, Any], field: str
) -> None:
    answer = mara.open(path(proposal, verb), method="POST" if verb else "PATCH", json=body)

    assert (answer.status_code, list(answer.get_json()["error"]["fields"])) == (422, [field])


def test_an_edit_names_the_field(mara: FlaskClient, proposal: Proposal) -> None:
    params = {"title": "", "description": "", "assignee_agent_key": "nobody", "more": 1}
    answer = mara.patch(path(proposal), json={"digest": proposal.digest, "params": params})

    assert answer.status_code == 422
    assert answer.get_json()["error"]["fields"].keys() == {"params.title", "params.more"}


# Nobody else (T-AP1).


@pytest.mark.parametrize("kind", TOKEN_RIGHTS)
@pytest.mark.parametrize("verb", ["approve", "reject", "later", ""])
def test_no_token_decides_or_reads(
    house: House, app: Flask, db: SQLAlchemy, proposal: Proposal, kind: str, verb: str
) -> None:
    """Not even an owner's own, with every scope there is."""
    scopes = sorted({*TOKEN_RIGHTS[kind], "proposal.read", "proposal.decide"})
    token, text = factories.token(house.project, kind, house.mara if kind == "user" else None)
    token.scopes = scopes
    db.session.commit()
    program = factories.bearer(app, text)
    body: dict[str, Any] = {"digest": proposal.digest} | ({} if verb else {"params": {}})
    answer = program.open(path(proposal, verb), method="POST" if verb else "PATCH", json=body)

    assert answer.status_code in (403, 404)
    assert program.get(path(proposal)).status_code in (403, 404)
    assert program.get("/api/proposals").status_code in (403, 404)
    assert db.session.query(Approval).count() == 0


@pytest.mark.parametrize("text", ["/approve", "approve {id}", "@trunks approved", "✅ approved {digest}"])
def test_what_is_said_in_the_room_decides_nothing(
    house: House, mara: FlaskClient, db: SQLAlchemy, proposal: Proposal, text: str
) -> None:
    house.post(mara, text.format(id=proposal.id, digest=proposal.digest), reply_to=str(proposal.message_id))
    mara.put(f"/api/messages/{proposal.message_id}/reactions/✅")

    assert (proposal.status, db.session.query(Approval).count()) == ("proposed", 0)


def test_nothing_that_is_read_decides(
    app: Flask, mara: FlaskClient, db: SQLAlchemy, proposal: Proposal
) -> None:
    for verb in ("approve", "reject", "later"):
        assert mara.get(f"{path(proposal, verb)}?digest={proposal.digest}").status_code == 405

    assert (proposal.status, db.session.query(Approval).count()) == ("proposed", 0)


def test_a_form_of_another_site_decides_nothing(mara: FlaskClient, proposal: Proposal) -> None:
    del mara.environ_base["HTTP_X_CSRF_TOKEN"]

    assert approve(mara, proposal).status_code == 403
    assert proposal.status == "proposed"


def test_a_role_too_low_is_refused_and_written_down(
    jonas: FlaskClient, house: House, db: SQLAlchemy, proposal: Proposal
) -> None:
    answer = approve(jonas, proposal)
    answer.close()  # it is written once the answer is out

    assert answer.status_code == 403
    tried = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "access.refused")).one()
    assert (tried.actor, tried.subject) == (
        f"person:{house.jonas.id}", "proposal.decide at proposals.approve",
    )  # fmt: skip


# At once.


def clicks(
    house: House, db: SQLAlchemy, ask: Callable[[FlaskClient, int], TestResponse]
) -> list[TestResponse]:
    """Fifty clicks at the same moment, from the browsers of five operators."""
    people = [factories.member(house.project, "operator") for _ in range(SESSIONS)]
    browsers = [house.browser(person) for person in people]
    tabs = [factories.again(browsers[number % SESSIONS]) for number in range(CLICKS)]
    db.session.commit()
    start = Barrier(CLICKS)

    def go(number: int) -> TestResponse:
        start.wait()
        return ask(tabs[number], number)

    with ThreadPoolExecutor(CLICKS) as pool:
        answers = list(pool.map(go, range(CLICKS)))
    db.session.expire_all()
    return answers


def codes(answers: list[TestResponse]) -> list[str]:
    """How each was answered: what it became, or why it was refused."""
    said = [answer.get_json() for answer in answers]
    return sorted(each["error"]["code"] if "error" in each else each["status"] for each in said)


def test_fifty_clicks_are_one_approval(house: House, db: SQLAlchemy, proposal: Proposal) -> None:
    address, body = path(proposal, "approve"), {"digest": proposal.digest}
    answers = clicks(house, db, lambda client, number: client.post(address, json=body))

    said = codes(answers)
    # Fifty threads at SQLite's one lock: on a busy machine some wait their two seconds out, and are told so.
    assert set(said) <= {"approved", "decided", "busy"}
    assert (said.count("approved"), "decided" in said) == (1, True)
    assert db.session.query(Approval).count() == db.session.query(Run).count() == 1


def test_approving_rejecting_and_editing_at_once_is_one_of_them(
    house: House, db: SQLAlchemy, proposal: Proposal
) -> None:
    digest = proposal.digest
    other = {"title": "Another", "description": "", "assignee_agent_key": None}

    def ask(client: FlaskClient, number: int) -> TestResponse:
        if number % 3 == 0:
            return client.patch(path(proposal), json={"digest": digest, "params": other})
        return client.post(path(proposal, ("approve", "reject")[number % 2]), json={"digest": digest})

    answers = clicks(house, db, ask)
    won = [answer for answer in answers if answer.status_code == 200]
    approvals = list(db.session.scalars(select(Approval)))
    in_force = [each for each in approvals if each.voided_at is None and each.digest == proposal.digest]

    assert {answer.status_code for answer in answers} <= {200, 409, 503}
    assert len(in_force) == (0 if proposal.status == "proposed" else 1)
    # An approval that an edit voided, and the edit, both won, one after the other.
    assert len(won) == len(approvals) + (1 if proposal.version == 2 else 0)


@pytest.mark.databases("postgresql")
def test_without_the_lock_and_the_conditional_change_fifty_clicks_are_more_than_one(
    house: House, db: SQLAlchemy, proposal: Proposal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: each of the clicks believes that it is first, and only the database stands in the way."""

    def careless(self: Any, session_id: Any) -> Any:
        from models.decider import Decider

        return Decider.of(session_id, self.project_id)

    monkeypatch.setattr(Proposal, "_hold", careless)
    monkeypatch.setattr(Stateful, "try_advance", lambda *args, **values: True)
    address, body = path(proposal, "approve"), {"digest": proposal.digest}
    answers = clicks(house, db, lambda client, number: client.post(address, json=body))

    assert "decided" not in codes(answers)
    assert db.session.query(Approval).count() <= 1
