"""A POST repeated under its Idempotency-Key happens once and is answered the same."""

import pytest
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import func, select

from models import labs
from models.base import utcnow
from models.limits import IdempotencyKey
from models.project import Project
from models.token import ApiToken
from models.user import Invite
from tests import factories
from tests.webapp.conftest import Site
from webapp import accounts

KEY = {"Idempotency-Key": "one"}


def count(model: type) -> int:
    return factories.db.session.scalar(select(func.count()).select_from(model)) or 0


def test_the_repeat_gets_the_first_answer(owner: FlaskClient, site: Site) -> None:
    first = owner.post("/api/projects", json={"name": "Once"}, headers=KEY)
    second = owner.post("/api/projects", json={"name": "Once"}, headers=KEY)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json == second.json
    assert second.headers["Idempotent-Replayed"] == "true"
    assert count(Project) == 3


def test_without_a_key_it_happens_twice(owner: FlaskClient, site: Site) -> None:
    for _ in range(2):
        owner.post("/api/projects", json={"name": "Twice"})

    assert count(Project) == 4


def test_the_key_with_other_words_is_refused(owner: FlaskClient, site: Site) -> None:
    owner.post("/api/projects", json={"name": "Once"}, headers=KEY)

    assert owner.post("/api/projects", json={"name": "Other"}, headers=KEY).status_code == 409
    assert owner.post(f"{site.api}/invites", json={"role": "viewer"}, headers=KEY).status_code == 409


def test_keys_of_others_do_not_meet(site: Site) -> None:
    names = [site.browser(name).post("/api/projects", json={"name": name}, headers=KEY).json
             for name in ("owner", "stranger")]  # fmt: skip

    assert [each["name"] for each in names if each] == ["owner", "stranger"]


def test_what_was_refused_may_be_tried_again(owner: FlaskClient, site: Site) -> None:
    path = f"{site.api}/invites"

    assert owner.post(path, json={"role": "king"}, headers=KEY).status_code == 422
    assert owner.post(path, json={"role": "viewer"}, headers=KEY).status_code == 201


@pytest.mark.parametrize("path", ["/tokens", "/invites"])
def test_a_secret_is_not_kept_to_be_shown_again(
    owner: FlaskClient, site: Site, db: SQLAlchemy, path: str
) -> None:
    body = {"kind": "worker", "name": "host"} if path == "/tokens" else {"role": "viewer"}

    first = owner.post(f"{site.api}{path}", json=body, headers=KEY)
    second = owner.post(f"{site.api}{path}", json=body, headers=KEY)

    assert (first.status_code, second.status_code) == (201, 409)
    assert count(ApiToken) + count(Invite) == 1
    assert db.session.scalars(select(IdempotencyKey.answer)).all() == [None]


def test_a_crash_after_the_commit_does_not_do_it_again(
    owner: FlaskClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The effect and the key are one commit; what may be lost is the words of the answer."""
    with monkeypatch.context() as patch:
        patch.setattr("webapp.api.projects.says", lambda project: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            owner.post("/api/projects", json={"name": "Once"}, headers=KEY)

    again = owner.post("/api/projects", json={"name": "Once"}, headers=KEY)

    assert again.status_code == 409
    assert count(Project) == 3


def test_a_crash_before_the_commit_leaves_the_key_free(
    owner: FlaskClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(accounts, "create_project", lambda name, key: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            owner.post("/api/projects", json={"name": "Once"}, headers=KEY)

    assert owner.post("/api/projects", json={"name": "Once"}, headers=KEY).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 129, "é"])
def test_a_key_must_be_one(owner: FlaskClient, site: Site, key: str) -> None:
    answer = owner.post("/api/projects", json={"name": "Once"}, headers={"Idempotency-Key": key})

    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json["error"]["fields"]  # type: ignore[index]


def test_who_lost_his_rights_gets_no_old_answer(owner: FlaskClient, site: Site) -> None:
    path = f"{site.api}/members/{site.people['member'].id}/reset"
    factories.membership(site.project, factories.user(), "owner")
    assert owner.post(path, headers=KEY).status_code == 201
    next(each for each in site.people["owner"].memberships).change_role("viewer")

    assert owner.post(path, headers=KEY).status_code == 403


@pytest.mark.parametrize("lost", ["membership", "role", "flag", "project"])
def test_what_is_found_by_its_own_address_is_not_shown_again_to_who_may_no_longer_see_it(
    site: Site, db: SQLAlchemy, lost: str
) -> None:
    """The right is not asked of the address, as above, but of the project that the row is in."""
    operator = site.browser("operator")
    site.project.room.paused_at = utcnow()
    path = f"/api/threads/{site.project.room.id}/halt"
    assert [operator.post(path, headers=KEY).status_code for _ in range(2)] == [200, 200]
    membership = next(each for each in site.people["operator"].memberships)
    if lost == "membership":
        membership.end()
    elif lost == "role":
        membership.change_role("viewer")
    elif lost == "flag":
        labs.write(site.project.id, {"team_room": False})
    else:
        site.project.archived_at = utcnow()

    again = operator.post(path, headers=KEY)

    assert again.status_code == (403 if lost == "role" else 404)
    assert "Idempotent-Replayed" not in again.headers


def test_pages_ignore_it(owner: FlaskClient, site: Site) -> None:
    for on in ("false", "true"):
        answer = owner.post(f"{site.settings}/labs", data={"flag": "dms", "on": on}, headers=KEY)
        assert answer.status_code == 303
