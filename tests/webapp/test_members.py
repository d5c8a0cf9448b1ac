"""Members: roles, leaving, closed accounts; and projects and labs, which owners manage."""

import threading
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select

from models import labs
from models.audit import AuditEntry, broken_at
from models.authz import AuthzEpoch
from models.message import Message
from models.project import Project
from models.user import Membership, User
from tests import factories
from tests.webapp.conftest import Site
from webapp import accounts


def role(site: Site, name: str) -> str | None:
    found = Membership.of(site.project.id, site.people[name].id)
    return found.role if found else None


def test_who_reads_sees_the_members_and_only_owners_their_addresses(site: Site) -> None:
    seen = {name: site.browser(name).get(f"{site.api}/members").json for name in ("viewer", "owner")}

    assert [each["name"] for each in seen["viewer"]["members"]] == ["Member", "Operator", "Owner", "Viewer"]
    assert all("email" not in each for each in seen["viewer"]["members"])
    assert all(each["email"] for each in seen["owner"]["members"])


def test_a_new_role_counts_at_once(owner: FlaskClient, site: Site) -> None:
    member = site.browser("member")
    assert member.get(f"{site.api}/tokens").status_code == 403

    answer = owner.patch(f"{site.api}/members/{site.people['member'].id}", json={"role": "owner"})

    assert answer.status_code == 200, answer.text
    assert member.get(f"{site.api}/tokens").status_code == 200


def test_who_is_removed_sees_nothing_more(owner: FlaskClient, site: Site) -> None:
    member = site.browser("member")

    assert owner.delete(f"{site.api}/members/{site.people['member'].id}").status_code == 204

    assert member.get(site.api).status_code == 404
    assert member.get(f"/{site.project.key}/chat").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("PATCH", "", {"role": "viewer"}), ("DELETE", "", None), ("PUT", "/deactivation", None)],
)
def test_a_project_keeps_its_last_owner(
    owner: FlaskClient, site: Site, method: str, path: str, body: dict[str, str] | None
) -> None:
    answer = owner.open(f"{site.api}/members/{site.people['owner'].id}{path}", method=method, json=body)

    assert answer.status_code == 422
    assert role(site, "owner") == "owner"


def test_a_closed_account_is_no_owner_to_rely_on(owner: FlaskClient, site: Site) -> None:
    second = factories.member(site.project, "owner")
    assert owner.put(f"{site.api}/members/{second.id}/deactivation").status_code == 200

    answer = owner.patch(f"{site.api}/members/{site.people['owner'].id}", json={"role": "viewer"})

    assert answer.status_code == 422


def test_deactivation_ends_sessions_and_tokens_and_can_be_lifted(
    owner: FlaskClient, site: Site, app: Flask
) -> None:
    member = site.browser("member")
    _, text = factories.token(site.project, "user", site.people["member"])
    path = f"{site.api}/members/{site.people['member'].id}/deactivation"

    assert owner.put(path).json["active"] is False  # type: ignore[index]
    assert member.get("/api/me").status_code == 401
    assert factories.bearer(app, text).get(site.api).status_code == 401

    assert owner.delete(path).json["active"] is True  # type: ignore[index]
    assert member.get("/api/me").status_code == 401  # what was ended stays ended
    assert site.browser("member").get("/api/me").status_code == 200


def test_nobody_closes_the_account_of_somebody_from_a_project_he_does_not_own(
    owner: FlaskClient, site: Site
) -> None:
    factories.membership(site.project, site.people["stranger"], "member")

    answer = owner.put(f"{site.api}/members/{site.people['stranger'].id}/deactivation")

    assert answer.status_code == 403
    assert site.people["stranger"].active


def test_each_change_of_rights_moves_the_epoch(owner: FlaskClient, site: Site, db: SQLAlchemy) -> None:
    owner.get("/api/me")  # signing in moved it too
    before = AuthzEpoch.current()
    owner.patch(f"{site.api}/members/{site.people['member'].id}", json={"role": "viewer"})

    assert AuthzEpoch.current() == before + 1


def test_what_owners_do_is_in_the_audit_log(owner: FlaskClient, site: Site, db: SQLAlchemy) -> None:
    member = site.people["member"].id
    owner.patch(f"{site.api}/members/{member}", json={"role": "viewer"})
    owner.put(f"{site.api}/labs", json={"dms": False})
    owner.post(f"{site.api}/invites", json={"role": "member"})
    owner.post(f"{site.api}/tokens", json={"kind": "worker", "name": "host"})
    owner.delete(f"{site.api}/members/{member}")

    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.seq)).all()
    assert [entry.action for entry in entries] == [
        "member.role", "labs.switched", "invite.created", "token.created", "member.removed",
    ]  # fmt: skip
    assert {entry.actor for entry in entries} == {f"person:{site.people['owner'].id}"}
    assert broken_at(entries) is None


@pytest.mark.parametrize(
    "extra",
    [{column.name: "x"} for column in [*Membership.__table__.columns, *User.__table__.columns]
     if column.name != "role"],
    ids=str,
)  # fmt: skip
def test_no_column_is_set_that_was_not_asked_for(
    owner: FlaskClient, site: Site, extra: dict[str, str]
) -> None:
    """Mass assignment: an unknown key is refused, not ignored and not stored."""
    path = f"{site.api}/members/{site.people['member'].id}"

    answer = owner.patch(path, json={"role": "viewer"} | extra)

    assert answer.status_code == 422
    assert list(extra) == list(answer.json["error"]["fields"])  # type: ignore[index]
    assert role(site, "member") == "member"


# --- the page ---


def test_the_people_page_changes_roles_and_removes(owner: FlaskClient, site: Site) -> None:
    ids = {name: Membership.of(site.project.id, site.people[name].id).id  # type: ignore[union-attr]
           for name in ("owner", "member", "viewer")}  # fmt: skip
    people = f"{site.settings}/people"

    assert "Operator" in owner.get(people).text
    assert owner.post(f"{people}/{ids['member']}", data={"role": "operator"}).status_code == 303
    assert owner.post(f"{people}/{ids['viewer']}/end").status_code == 303
    wrong = owner.post(f"{people}/{ids['owner']}/end")

    assert (role(site, "member"), role(site, "viewer")) == ("operator", None)
    assert wrong.status_code == 422
    assert "last owner" in wrong.text


def test_the_page_of_one_person(owner: FlaskClient, site: Site) -> None:
    member = site.browser("member")
    found = Membership.of(site.project.id, site.people["member"].id)
    assert found
    path = f"{site.settings}/people/{found.id}"

    assert "Close account" in owner.get(path).text
    link = owner.post(f"{path}/reset")
    assert (link.status_code, "http://localhost/reset/" in link.text) == (201, True)
    assert owner.post(f"{path}/close").location == path
    assert "Open account" in owner.get(path).text
    assert member.get("/api/me").status_code == 401
    assert owner.post(f"{path}/reopen").location == path
    assert site.people["member"].active


def test_the_page_of_the_last_owner_says_why_not(owner: FlaskClient, site: Site) -> None:
    found = Membership.of(site.project.id, site.people["owner"].id)
    assert found

    answer = owner.post(f"{site.settings}/people/{found.id}/close")

    assert answer.status_code == 422
    assert "last owner" in answer.text


def test_the_page_of_somebody_from_elsewhere_touches_no_account(owner: FlaskClient, site: Site) -> None:
    guest = factories.membership(site.project, site.people["stranger"], "viewer")
    path = f"{site.settings}/people/{guest.id}"

    assert "Close account" not in owner.get(path).text
    assert owner.post(f"{path}/close").status_code == 403


def test_the_project_page(owner: FlaskClient, site: Site) -> None:
    path = f"{site.settings}/project"

    assert owner.get(path).status_code == 200
    assert owner.post(path, data={"name": "Renamed"}).status_code == 303
    assert "Renamed" in owner.get(path).text
    assert owner.post(path, data={"name": " "}).status_code == 422
    assert owner.post(f"{path}/new", data={"new_name": ""}).status_code == 422
    assert owner.post(f"{path}/new", data={"new_name": "Second"}).location == "/second/settings/labs"
    assert owner.post(f"{path}/archive").location == "/"
    assert owner.get(path).status_code == 404


def test_an_owner_chooses_who_answers_when_nobody_is_named(
    owner: FlaskClient, site: Site, db: SQLAlchemy
) -> None:
    for key in ("trunks", "bulma"):
        factories.agent(site.project, key)
    factories.agent(site.elsewhere, "vegeta")
    db.session.commit()

    assert (
        owner.patch(site.api, json={"default_agent_key": "bulma"}).get_json()["default_agent_key"] == "bulma"
    )

    assert answering(owner, site, db) == ["bulma"]
    assert owner.patch(site.api, json={"name": "Renamed"}).get_json()["default_agent_key"] == "bulma"
    for wrong in ("vegeta", "ghost", "", 7):
        refused = owner.patch(site.api, json={"default_agent_key": wrong})
        assert (refused.status_code, list(refused.get_json()["error"]["fields"])) == (
            422,
            ["default_agent_key"],
        )
    assert owner.patch(site.api, json={}).status_code == 422
    assert site.browser("operator").patch(site.api, json={"default_agent_key": "trunks"}).status_code == 403
    assert owner.patch(site.api, json={"default_agent_key": None}).status_code == 200
    assert answering(owner, site, db) == []
    [was] = db.session.scalars(
        select(AuditEntry.detail).where(AuditEntry.action == "project.default_agent").order_by(AuditEntry.seq)
    ).all()[:1]
    assert was == {"was": "trunks", "now": "bulma"}


def answering(client: FlaskClient, site: Site, db: SQLAlchemy) -> list[str]:
    """The agents that a message goes to which names nobody."""
    said = {"content": "hello", "client_id": str(uuid4())}
    posted = client.post(f"/api/threads/{site.project.room.id}/messages", json=said).get_json()
    message = db.session.get_one(Message, UUID(posted["id"]))
    return [delivery.target_agent_key for delivery in message.deliveries]


def test_the_default_agent_is_chosen_on_the_project_page(
    owner: FlaskClient, site: Site, db: SQLAlchemy
) -> None:
    for key in ("trunks", "bulma"):
        factories.agent(site.project, key)
    db.session.commit()
    path = f"{site.settings}/project"
    assert '<option value="trunks" selected>' in owner.get(path).text

    assert owner.post(f"{path}/default-agent", data={"default_agent_key": "bulma"}).location == path

    assert '<option value="bulma" selected>' in owner.get(path).text
    assert owner.post(f"{path}/default-agent", data={"default_agent_key": "ghost"}).status_code == 422
    owner.post(f"{path}/default-agent", data={"default_agent_key": ""})
    db.session.refresh(site.project)
    assert site.project.default_agent_key is None
    assert site.browser("operator").post(f"{path}/default-agent").status_code == 403


def test_a_membership_of_another_project_is_not_found(site: Site) -> None:
    foreign = Membership.of(site.project.id, site.people["member"].id)
    assert foreign
    path = f"/{site.elsewhere.key}/settings/people/{foreign.id}"

    assert site.browser("stranger").post(path, data={"role": "owner"}).status_code == 404
    assert site.browser("stranger").post(f"{path}/end").status_code == 404


# --- labs ---


def test_labs_are_switched_one_by_one(owner: FlaskClient, site: Site) -> None:
    assert owner.put(f"{site.api}/labs", json={"dms": False}).json["dms"] is False  # type: ignore[index]

    assert labs.read(site.project.id) == dict.fromkeys(labs.FLAGS, True) | {"dms": False}


def test_labs_by_the_page(owner: FlaskClient, site: Site) -> None:
    page = f"{site.settings}/labs"
    assert "Team Room" in owner.get(page).text

    assert owner.post(page, data={"flag": "runs", "on": "false"}).status_code == 303

    assert labs.read(site.project.id)["runs"] is False


@pytest.mark.parametrize("body", [{"nothing": True}, {"dms": "yes"}, {"dms": 1}, {"dms": None}, []])
def test_no_flag_but_the_declared_ones(owner: FlaskClient, site: Site, body: object) -> None:
    assert owner.put(f"{site.api}/labs", json=body).status_code == 422


def test_the_chat_is_gone_while_its_flag_is_off(owner: FlaskClient, site: Site) -> None:
    assert owner.get(f"/{site.project.key}/chat").status_code == 200

    owner.put(f"{site.api}/labs", json={"team_room": False})

    assert owner.get(f"/{site.project.key}/chat").status_code == 404


# --- projects ---


def test_who_owns_a_project_makes_another_with_every_flag_off(owner: FlaskClient, db: SQLAlchemy) -> None:
    made = owner.post("/api/projects", json={"name": "Second: Try"})

    assert made.status_code == 201, made.text
    said = made.json
    assert said
    assert said["key"] == "second-try"
    assert set(owner.get(f"/api/projects/{said['id']}/labs").json.values()) == {False}  # type: ignore[union-attr]
    assert len(owner.get("/api/projects").json["projects"]) == 2  # type: ignore[index]
    assert owner.get("/second-try/settings/labs").status_code == 200


def test_who_owns_none_makes_none(site: Site) -> None:
    assert site.browser("operator").post("/api/projects", json={"name": "Mine"}).status_code == 403


@pytest.mark.parametrize("key", ["api", "static", "sign-in", "x y", "", "-", "é", "a" * 33])
def test_keys_that_would_break_addresses_are_refused(owner: FlaskClient, key: str) -> None:
    answer = owner.post("/api/projects", json={"name": "Mine", "key": key})

    if key == "":
        assert answer.json["key"] == "mine"  # type: ignore[index]
    else:
        assert answer.status_code == 422
        assert "key" in answer.json["error"]["fields"]  # type: ignore[index]


def test_a_taken_key_is_refused_and_a_taken_name_gets_a_number(owner: FlaskClient, site: Site) -> None:
    taken = owner.post("/api/projects", json={"name": "x", "key": site.elsewhere.key})
    numbered = owner.post("/api/projects", json={"name": site.elsewhere.key})

    assert taken.status_code == 422
    assert numbered.json["key"] != site.elsewhere.key  # type: ignore[index]


def test_projects_of_one_name_made_at_the_same_moment_get_keys_of_their_own(site: Site) -> None:
    clients = [site.browser("owner") for _ in range(5)]
    barrier, codes = threading.Barrier(5), []
    factories.db.session.commit()

    def make(client: FlaskClient) -> None:
        barrier.wait()
        codes.append(client.post("/api/projects", json={"name": "Race"}).status_code)

    threads = [threading.Thread(target=make, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert codes == [201] * 5
    keys = factories.db.session.scalars(select(Project.key).where(Project.name == "Race")).all()
    assert sorted(keys) == ["race", "race2", "race3", "race4", "race5"]


def test_who_is_second_in_a_race_that_only_the_database_sees_is_told_so(
    owner: FlaskClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "free_key", lambda name: site.project.key)

    answer = owner.post("/api/projects", json={"name": "Again"})

    assert (answer.status_code, answer.json["error"]["code"]) == (409, "conflict")  # type: ignore[index]
    assert owner.get(site.api).status_code == 200


def test_an_archived_project_is_closed_to_all_and_only_its_owner_opens_it(site: Site) -> None:
    owner, member = site.browser("owner"), site.browser("member")

    assert owner.put(f"{site.api}/archive").status_code == 200
    assert [each.get(site.api).status_code for each in (owner, member)] == [404, 404]
    assert site.browser("stranger").delete(f"{site.api}/archive").status_code == 404
    assert member.delete(f"{site.api}/archive").status_code == 404

    assert owner.delete(f"{site.api}/archive").status_code == 200
    assert member.get(site.api).status_code == 200


def test_a_project_is_renamed(owner: FlaskClient, site: Site) -> None:
    assert owner.patch(site.api, json={"name": "New name"}).json["name"] == "New name"  # type: ignore[index]
    assert owner.patch(site.api, json={"name": " "}).status_code == 422
