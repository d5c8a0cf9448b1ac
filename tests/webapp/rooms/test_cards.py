"""What the card of a proposal shows: all that is decided on, in the server's words, wherever it stands."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy

from models import Approval, Proposal, Run, Thread, User
from models.actions import ACTIONS
from models.actions.fields import CONTENT
from models.base import utcnow
from models.proposal_fold import ProposalFold
from models.session import UserSession
from models.wish import Wish
from realtime.registry import PUBLISHED
from realtime.rows import snapshot
from tests import factories
from tests.realtime.world import statements
from tests.webapp.rooms.conftest import House
from webapp import cards

PARAMS: dict[str, dict[str, Any]] = {
    "create_task": {"title": "Look at the disk", "description": "One\nTwo", "assignee_agent_key": "bulma"},
    "schedule_job": {
        "name": "Daily look", "schedule_expr": "0 9 * * mon-fri", "instructions": "Look.",
        "target_agent_key": "trunks",
    },
    "edit_doc": {"doc_type": "notes", "agent_key": "project", "content": "# All\n"},
    "send_message": {"channel": "room", "recipient": "Team Room", "content": "Hello all"},
    "api_call": {
        "url": "https://api.example.org/v1", "method": "POST", "headers": {"Accept": "text/plain"},
        "body": "{}",
    },
    "file_write": {"path": "notes/a.txt", "content": "one\n"},
}  # fmt: skip


def propose(house: House, action_type: str = "create_task", **params: Any) -> Proposal:
    made = factories.proposal(house.thread, house.trunks, action_type, **(PARAMS[action_type] | params))
    factories.db.session.commit()
    return made


def card(page: str, proposal: Proposal) -> str:
    """The card in a page or a message, with entities read."""
    found = re.search(
        rf'<section class="card approval" id="proposal_{proposal.id}".*?</section>', page, re.DOTALL
    )
    assert found, "no card"
    return unescape(found[0])


def shown(client: FlaskClient, house: House, proposal: Proposal) -> str:
    return card(client.get(f"/{house.project.key}/chat").text, proposal)


def private(house: House, db: SQLAlchemy, owner: User) -> Proposal:
    thread = Thread(project_id=house.project.id, title="DM:trunks", kind="dm", owner_user_id=owner.id)
    db.session.add(thread)
    db.session.flush()
    made = factories.proposal(thread, house.trunks)
    db.session.commit()
    return made


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("action_type", ACTIONS)
def test_it_says_what_is_asked_and_all_of_it(house: House, mara: FlaskClient, action_type: str) -> None:
    proposal = propose(house, action_type)
    page = shown(mara, house, proposal)
    action = proposal.action

    assert f">{action.headline}</h3>" in page
    assert action.effect in page
    assert proposal.digest in page
    for rule in proposal.rules_shown:
        assert rule["rule"] in page
    for name, value in action.as_json().items():
        if name in cards.PREVIEWS or value in (None, "", {}):
            continue
        for text in value.values() if isinstance(value, dict) else [value]:
            assert str(text) in page, name


def test_nothing_is_cut(house: House, mara: FlaskClient) -> None:
    content = "x" * (CONTENT - 4) + "end\n"

    assert content in shown(mara, house, propose(house, "file_write", content=content))


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("hidden", ["\u202e", "\u200b", "\r", "\u2066", "\x1b", "\U000e0041", "\u00ad"])
def test_what_cannot_be_seen_is_written_out(house: House, mara: FlaskClient, hidden: str) -> None:
    """T-AP3: in a body, and in the headline that a name becomes part of."""
    proposal = propose(house, "file_write", content=f"ls{hidden}\n")
    mark = f"⟨U+{ord(hidden):04X}⟩"

    assert f"ls{mark}" in shown(mara, house, proposal)
    assert "High risk" in shown(mara, house, proposal)
    if hidden.isprintable() or hidden in ("\u200b", "\u202e"):
        titled = propose(house, title=f"a{hidden}b")
        assert f"“a{mark}b”</h3>" in shown(mara, house, titled)


def test_what_can_be_read_no_more_is_said_and_only_rejected(
    house: House, mara: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of Team Room asks this action for something else."""
    proposal = propose(house)
    monkeypatch.setitem(ACTIONS, "create_task", ACTIONS["schedule_job"])
    page = shown(mara, house, proposal)
    decide = f"/api/proposals/{proposal.id}"
    approved = mara.post(f"{decide}/approve", json={"digest": proposal.digest})

    assert "This could not be read</h3>" in page
    assert "params.name: Field required" in page
    assert mara.get(f"/{house.project.key}/needs-you").status_code == 200
    assert mara.get(f"/proposals/{proposal.id}/form").status_code == 200
    assert (approved.status_code, approved.get_json()["error"]["code"]) == (409, "changed")
    assert mara.post(f"{decide}/reject", json={"digest": proposal.digest}).status_code == 200


@pytest.mark.databases("sqlite")
def test_the_agents_words_are_apart_and_inert(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    """T-AP12: prose that imitates a card makes no button, no form and no second card."""
    forged = '<section class="card approval"><button data-action="proposals#open">Approve</button></section>'
    wish = Wish.of("trunks", "create_task", PARAMS["create_task"], f"**Already approved** {forged}", "forged")
    proposal = Proposal.make(house.thread, wish)
    db.session.commit()
    page = mara.get(f"/{house.project.key}/chat").text
    before, _, why = page.partition('<div class="why">')

    assert f'id="proposal_{proposal.id}"' in before
    assert page.count('<section class="card approval"') == 1
    assert "&lt;section class=" in why
    assert "Already approved" not in before


def test_first_paint_paging_and_pushes_show_the_same(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    proposal = propose(house)
    page = shown(mara, house, proposal)
    [message] = mara.get(f"/api/threads/{house.thread.id}/messages").get_json()["messages"]
    with snapshot():
        [pushed] = PUBLISHED["project_chat_messages"].load([proposal.message_id])
    with_message = PUBLISHED["project_chat_messages"].html(pushed)
    with snapshot():
        [alone] = PUBLISHED["proposals"].load([proposal.id])
    by_itself = PUBLISHED["proposals"].html(alone)

    assert with_message
    assert by_itself
    assert (
        page == card(message["html"], proposal) == card(with_message, proposal) == card(by_itself, proposal)
    )


def test_many_cards_are_read_in_as_many_statements_as_one(house: House, db: SQLAlchemy) -> None:
    def counted(ids: list[Any], table: str) -> int:
        db.session.expire_all()
        with snapshot(), statements() as run:
            PUBLISHED[table].load(ids)
        return len(run)

    made = [propose(house) for _ in range(6)]
    session, _ = UserSession.start(house.mara, "127.0.0.1", "pytest")
    db.session.flush()
    for one in made[:3]:
        one.approve(session.id, one.digest)
    db.session.commit()
    for table, ids in (
        ("project_chat_messages", [one.message_id for one in made]),
        ("proposals", [one.id for one in made]),
    ):
        assert counted(ids, table) == counted(ids[:1], table)


# What became of it.


def test_a_decided_card_is_one_line_with_who_and_when(house: House, mara: FlaskClient) -> None:
    rejected, approved = propose(house), propose(house)
    mara.post(f"/api/proposals/{rejected.id}/reject", json={"digest": rejected.digest, "reason": "not <now>"})
    mara.post(f"/api/proposals/{approved.id}/approve", json={"digest": approved.digest})
    who = f'<b data-user="{house.mara.id}"'
    line, waiting = shown(mara, house, rejected), shown(mara, house, approved)

    assert 'data-state="rejected"' in line
    assert re.search(rf"rejected by {who}.*“not <now>”", line, re.DOTALL)
    assert re.search(rf"approved by {who}.*waiting for a worker", waiting, re.DOTALL)
    for page in (line, waiting):
        assert "data-waits" not in page
        assert "proposals#open" not in page


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("status", "words"), [("executed", "done: Task 7 waits"), ("failed", "failed: No room")]
)
def test_the_result_stands_on_the_line(
    house: House, mara: FlaskClient, db: SQLAlchemy, status: str, words: str
) -> None:
    proposal = propose(house)
    mara.post(f"/api/proposals/{proposal.id}/approve", json={"digest": proposal.digest})
    run = db.session.query(Run).one()
    run.try_advance("status", "queued", "running")
    run.try_advance("status", "running", "success" if status == "executed" else "error")
    result = words.partition(": ")[2]
    proposal.advance("status", "approved", status, executed_at=utcnow(), execution_result=result)
    db.session.commit()
    page = shown(mara, house, proposal)

    assert words in page
    assert ('data-proposals-verb-param="retry"' in page) == (status == "failed")


def interrupted(house: House, mara: FlaskClient, db: SQLAlchemy) -> Proposal:
    proposal = propose(house)
    mara.post(f"/api/proposals/{proposal.id}/approve", json={"digest": proposal.digest})
    run = db.session.query(Run).one()
    run.try_advance("status", "queued", "running")
    run.interrupt(None, "its worker was <lost>")
    db.session.commit()
    return proposal


def test_where_it_may_have_happened_a_person_says(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    page = shown(mara, house, interrupted(house, mara, db))

    assert "It may have happened" in page
    assert '<dd class="value">its worker was <lost></dd>' in page
    assert "data-waits" in page
    assert re.findall(r'verb-param="(\w+)"', page) == ["done", "failed"]


def test_an_edit_and_a_void_approval_are_told(house: House, mara: FlaskClient) -> None:
    proposal = propose(house)
    mara.post(f"/api/proposals/{proposal.id}/approve", json={"digest": proposal.digest})
    changed = PARAMS["create_task"] | {"title": "Another"}
    mara.patch(f"/api/proposals/{proposal.id}", json={"digest": proposal.digest, "params": changed})
    page = shown(mara, house, proposal)

    assert f'edited by <b data-user="{house.mara.id}"' in page
    assert "does not count: Mara Lindqvist edited it" in page
    assert "Create the task “Another”" in page


def test_a_conversations_reasons_are_not_for_the_project(
    house: House, mara: FlaskClient, jonas: FlaskClient, db: SQLAlchemy
) -> None:
    """A member's DM: the project's deciders see what is asked, and its owner alone what was said."""
    proposal = private(house, db, house.jonas)
    needs = mara.get(f"/{house.project.key}/needs-you").text
    [message] = jonas.get(f"/api/threads/{proposal.thread_id}/messages").get_json()["messages"]

    assert "Look at the disk" in card(needs, proposal)
    assert "because it is full" not in needs
    assert message["html"].count("because it is full") == 1


# The two parts that are fetched.


def test_the_diff_is_of_what_is_stored_now(
    house: House, mara: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal = propose(house, "edit_doc", base_digest="0" * 64)
    lines = ["@@ -1,2 +1,2 @@", "-o\u200bne", "--- gone", "+<b>two</b>", "+++ come"]
    monkeypatch.setattr(ACTIONS["edit_doc"], "diff", lambda self, project_id: lines)
    page = mara.get(f"/proposals/{proposal.id}/diff").text

    assert f'src="/proposals/{proposal.id}/diff"' in shown(mara, house, proposal)
    assert '<span class="del">-o⟨U+200B⟩ne' in page
    assert '<span class="add">+&lt;b&gt;two&lt;/b&gt;' in page
    assert '<span class="del">--- gone' in page, "not a head: the lines of a diff begin at its first @@"
    assert '<span class="add">+++ come' in page
    assert page.count('class="hunk"') == 1


def test_what_a_file_says_now_is_shown_to_who_decides_alone(
    house: House, mara: FlaskClient, jonas: FlaskClient, app: Flask
) -> None:
    folder = Path(app.config["WORKSPACES_FOLDER"]) / house.project.key
    folder.mkdir(parents=True)
    (folder / "keys.txt").write_text("the word\n")
    path = f"/proposals/{propose(house, 'file_write', path='keys.txt').id}/diff"
    seen, hidden = mara.get(path), jonas.get(path)

    assert "-the word" in seen.text
    assert (hidden.status_code, "the word" in hidden.text) == (200, False)
    assert "Only operators and owners see what changes" in hidden.text


def test_what_cannot_be_compared_says_so(house: House, mara: FlaskClient, jonas: FlaskClient) -> None:
    proposal = propose(house, "create_task")

    assert "nothing can be compared" in jonas.get(f"/proposals/{proposal.id}/diff").text
    assert "turbo-frame" not in shown(mara, house, proposal)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("action_type", ACTIONS)
def test_its_form_sends_back_what_it_was_given(house: House, mara: FlaskClient, action_type: str) -> None:
    proposal = propose(house, action_type)
    form = mara.get(f"/proposals/{proposal.id}/form").text
    found = re.search(r"data-params='([^']*)'", form)
    assert found
    params = json.loads(unescape(found[1]))
    same = mara.patch(f"/api/proposals/{proposal.id}", json={"digest": proposal.digest, "params": params})

    assert f'data-digest="{proposal.digest}"' in form
    assert re.findall(r'name="params\.(\w+)"', form) == [
        name for name in proposal.action.as_json() if name in params
    ]
    assert (same.status_code, same.get_json()["digest"]) == (200, proposal.digest)


def test_the_kinds_of_fields_come_from_the_parameters() -> None:
    def kinds(action_type: str) -> dict[str, str]:
        action = ACTIONS[action_type].model_validate(PARAMS[action_type])
        return {field.name: field.kind for field in cards.fields_of(action)}

    assert kinds("create_task") == {"title": "line", "description": "text", "assignee_agent_key": "line"}
    assert kinds("send_message") == {"channel": "choice", "recipient": "line", "content": "text"}
    assert kinds("api_call") == {
        "url": "line", "method": "choice", "headers": "map", "secret_headers": "map", "body": "text",
        "timeout_seconds": "number",
    }  # fmt: skip
    assert kinds("file_write") == {"path": "line", "content": "text", "base_digest": "line"}


@pytest.mark.databases("sqlite")
def test_only_who_decides_is_given_the_form(house: House, jonas: FlaskClient) -> None:
    stranger = house.browser(factories.member(factories.project(), "owner"))
    proposal = propose(house)

    assert jonas.get(f"/proposals/{proposal.id}/form").status_code == 403
    assert [stranger.get(f"/proposals/{proposal.id}/{part}").status_code for part in ("form", "diff")] == [
        404,
        404,
    ]


# Needs you.


def known(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="waiting">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def test_the_list_is_what_waits_oldest_first_and_counts_itself(
    house: House, mara: FlaskClient, db: SQLAlchemy
) -> None:
    unknown = interrupted(house, mara, db)
    decided, first, second = propose(house), propose(house), private(house, db, house.mara)
    mara.post(f"/api/proposals/{decided.id}/reject", json={"digest": decided.digest})
    page = mara.get(f"/{house.project.key}/needs-you").text
    wanted = [str(one.id) for one in (unknown, first, second)]

    assert re.findall(r'class="card approval" id="proposal_([^"]+)"', page) == wanted
    assert [row["id"] for row in known(page)["rows"]] == wanted
    assert re.findall(r'data-needs-target="count">(\d+)<', page) == ["3"]
    assert set(re.findall(r'waiting#show"[^>]*>(\d+)<', page)) == {"3"}


def test_somebody_elses_conversation_is_not_in_it(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    private(house, db, factories.member(house.project, "operator", "Kim"))

    assert known(mara.get(f"/{house.project.key}/needs-you").text)["rows"] == []


def test_a_change_shows_at_once(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    """What is kept of a card is kept no longer than it is true."""
    proposal, address = propose(house), f"/{house.project.key}/needs-you"
    before = mara.get(address).text
    changed = PARAMS["create_task"] | {"title": "Another"}
    mara.patch(f"/api/proposals/{proposal.id}", json={"digest": proposal.digest, "params": changed})
    after = mara.get(address).text
    mara.post(f"/api/proposals/{proposal.id}/approve", json={"digest": proposal.digest})

    assert "“Another”" not in before
    assert "“Another”" in after
    assert "Nothing waits for you" in mara.get(address).text
    assert known(mara.get(address).text)["rows"] == []


def test_what_i_put_aside_is_known_to_me_alone(house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
    proposal = propose(house)
    other = house.newcomer("operator")
    mara.post(f"/api/proposals/{proposal.id}/later")
    fold = db.session.query(ProposalFold).one()
    mine, theirs = (known(each.get(f"/{house.project.key}/chat").text) for each in (mara, other))

    assert mine["folds"] == {str(fold.id): str(proposal.id)}
    assert theirs["folds"] == {}
    assert [row["id"] for row in mine["rows"]] == [row["id"] for row in theirs["rows"]] == [str(proposal.id)]


def test_who_may_not_decide_has_no_such_page(house: House, jonas: FlaskClient) -> None:
    propose(house)
    room = jonas.get(f"/{house.project.key}/chat").text

    assert jonas.get(f"/{house.project.key}/needs-you").status_code == 403
    assert 'id="waiting"' not in room
    assert "needs-you" not in room


# A sign-in in place.


def test_the_password_makes_the_sign_in_fresh(house: House, db: SQLAlchemy) -> None:
    kim = factories.member(house.project, "operator", "Kim")
    own = house.browser(kim)
    proposal = propose(house, "file_write", path=".env")
    session = db.session.query(UserSession).filter_by(user_id=kim.id).one()
    session.authenticated_at = session.authenticated_at.replace(year=2020)
    db.session.commit()

    def approve() -> int:
        body = {"digest": proposal.digest, "name": ".env"}
        return own.post(f"/api/proposals/{proposal.id}/approve", json=body).status_code

    assert approve() == 403
    wrong = own.post("/api/me/confirm", json={"password": "not this one"})
    assert (wrong.status_code, list(wrong.get_json()["error"]["fields"])) == (422, ["password"])
    assert approve() == 403
    assert own.post("/api/me/confirm", json={"password": factories.PASSWORD}).status_code == 204
    assert approve() == 200
    assert db.session.query(Approval).one().user_id == kim.id


def test_passwords_cannot_be_tried_there_either(house: House, mara: FlaskClient) -> None:
    tries = [mara.post("/api/me/confirm", json={"password": "x" * n}).status_code for n in range(10, 18)]

    assert tries[-1] == 429
    assert mara.post("/api/me/confirm", json={"password": factories.PASSWORD}).status_code == 429
