"""A flood of failed sign-ins is stopped for all addresses together, and spares the known browsers."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select

from models import limits, refusal
from models.audit import AuditEntry
from models.base import utcnow
from models.limits import LoginAttempt
from models.user import User
from tests import factories
from tests.webapp.conftest import Site
from tests.webapp.test_sessions import form_token, guesses_at_once, sign_in
from webapp import accounts, devices

COOKIE = "tr_device"
WRONG = "wrong wrong wrong"


@pytest.fixture
def member(site: Site) -> User:
    return site.people["member"]


@pytest.fixture
def known(app: Flask, member: User) -> FlaskClient:
    """A browser in which the member signed in once, and out again."""
    client = app.test_client()
    assert sign_in(client, member.email).status_code == 303
    client.delete_cookie("tr_sid")
    return client


@pytest.fixture
def flood(db: SQLAlchemy) -> Callable[..., None]:
    """Failures from everywhere, as many as are allowed, and more than one address and account may have."""

    def fail(email: str = "", count: int = limits.FROM_EVERYWHERE, age: timedelta = timedelta(0)) -> None:
        for number in range(count):
            address = f"198.51.{number // 100}.{number % 100}" if number > 19 else "127.0.0.1"
            attempt = LoginAttempt.failed(email or f"person{number}@example.net", address)
            attempt.created_at = utcnow() - age
        db.session.commit()

    return fail


def elsewhere(app: Flask, address: str = "203.0.113.9") -> FlaskClient:
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = address
    return client


# --- all together ---


def test_all_addresses_together_may_fail_two_hundred_times_a_minute(
    app: Flask, member: User, flood: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    flood(count=199)
    assert sign_in(elsewhere(app), member.email).status_code == 303
    flood(count=1)
    hashed: list[object] = []
    monkeypatch.setitem(app.extensions, "offload", lambda work, *args: hashed.append(work))

    answer = sign_in(elsewhere(app), member.email)

    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "60"
    assert "from all addresses together: try again in a minute" in answer.text
    assert hashed == []


def test_a_minute_later_all_may_try_again(app: Flask, member: User, flood: Callable[..., None]) -> None:
    flood(count=400, age=timedelta(seconds=61))

    assert sign_in(elsewhere(app), member.email).status_code == 303


def test_what_is_refused_writes_nothing(app: Flask, flood: Callable[..., None], db: SQLAlchemy) -> None:
    flood()

    assert sign_in(elsewhere(app), "nobody@example.org", WRONG).status_code == 429

    assert len(db.session.scalars(select(LoginAttempt)).all()) == 200
    assert db.session.scalars(select(AuditEntry)).all() == []


def test_guesses_of_many_addresses_at_once_do_not_all_pass(
    app: Flask, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is counted before it is hashed, and looks again at what the others have counted."""
    monkeypatch.setattr(limits, "FROM_EVERYWHERE", 4)
    clients = [elsewhere(app, f"203.0.113.{number}") for number in range(10)]
    answers = guesses_at_once(clients, "a@example.org")

    assert len(answers) == 10
    assert answers.count(422) <= 4
    assert set(answers) <= {422, 429}


def test_failed_sign_ins_fill_no_log(app: Flask, db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal, "OF_SIGN_INS", 3)
    for _ in range(3):
        assert sign_in(app.test_client(), "a@example.org", WRONG).status_code == 422
    assert len(failures(db)) == 1

    for number in range(4):
        assert sign_in(elsewhere(app), f"b{number}@example.org", WRONG).status_code == 422

    assert len(failures(db)) == 3


def failures(db: SQLAlchemy) -> list[AuditEntry]:
    return list(db.session.scalars(select(AuditEntry).where(AuditEntry.action == "sign_in.failed")))


# --- known devices ---


def test_a_flood_from_elsewhere_does_not_lock_a_known_browser_out(
    app: Flask, member: User, known: FlaskClient, flood: Callable[..., None]
) -> None:
    flood(member.email)
    stranger = elsewhere(app)
    assert [sign_in(each, member.email).status_code for each in (app.test_client(), stranger)] == [429, 429]

    assert sign_in(known, member.email).status_code == 303


def test_it_is_known_for_its_own_account_only(
    site: Site, known: FlaskClient, flood: Callable[..., None]
) -> None:
    flood()

    assert sign_in(known, site.people["owner"].email).status_code == 429


def test_a_stolen_device_opens_no_guessing(app: Flask, member: User, known: FlaskClient) -> None:
    answers = []
    for number in range(12):
        known.environ_base["REMOTE_ADDR"] = f"203.0.113.{number}"
        answers.append(sign_in(known, member.email, WRONG).status_code)

    assert answers == [422] * 10 + [429] * 2
    refused = sign_in(known, member.email)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "900")
    assert sign_in(app.test_client(), member.email).status_code == 303  # and locks nobody out


def test_its_failures_use_up_nobody_elses_limits(
    app: Flask, member: User, known: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FROM_EVERYWHERE", 4)
    for _ in range(8):
        sign_in(known, member.email, WRONG)

    assert sign_in(app.test_client(), member.email).status_code == 303


def test_its_cookie_is_for_this_host_alone_and_holds_for_months(app: Flask, member: User) -> None:
    for base, name in (("http://localhost", COOKIE), ("https://room.example", f"__Host-{COOKIE}")):
        client = app.test_client()
        page = client.get("/sign-in", base_url=base).text
        token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
        said = {"email": member.email, "password": factories.PASSWORD, "csrf_token": token}
        answer = client.post("/sign-in", base_url=base, data=said | {"remember": "on"})

        [line] = [each for each in answer.headers.getlist("Set-Cookie") if "tr_device" in each]
        assert line.startswith(f"{name}=")
        parts = line.split("; ")
        assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=7776000"} <= set(parts)
        assert ("Secure" in parts) is base.startswith("https")
        assert "Domain" not in line


def test_over_https_the_plain_cookie_counts_for_nothing(app: Flask, member: User, known: FlaskClient) -> None:
    value = known.get_cookie(COOKIE)
    assert value
    for name, scheme, counts in (
        (COOKIE, "http", True),
        (COOKIE, "https", False),
        (f"__Host-{COOKIE}", "https", True),
    ):
        headers = {"Cookie": f"{name}={value.value}"}
        with app.test_request_context(base_url=f"{scheme}://room.example", headers=headers):
            assert (devices.known(member) is not None) is counts


@pytest.mark.parametrize("value", ["", "x", "null", "W10.x.y", "a.b.c", "é", "x" * 3000])
def test_a_made_up_one_is_an_unknown_one(
    app: Flask, member: User, flood: Callable[..., None], value: str
) -> None:
    flood(member.email)
    client = elsewhere(app)
    client.set_cookie(COOKIE, value)

    assert sign_in(client, member.email).status_code == 429


def test_signing_out_leaves_it_known(app: Flask, member: User, flood: Callable[..., None]) -> None:
    client = app.test_client()
    sign_in(client, member.email)
    token = form_token(client, "/sign-in?next=/")
    assert client.post("/sign-out", data={"csrf_token": token}).status_code == 303
    flood(member.email)

    assert sign_in(client, member.email).status_code == 303


Ending = Callable[[Site, User], None]


def change_password(site: Site, member: User) -> None:
    said = {"current": factories.PASSWORD, "password": "another good password"}
    assert site.browser("member").put("/api/me/password", json=said).status_code == 204
    member.password_hash = factories.hashed()  # so that the tests go on with the password that they know


def set_by_link(site: Site, member: User) -> None:
    with site.app.test_request_context():
        path = accounts.link_to_reset(member).removeprefix("http://localhost")
    client = site.app.test_client()
    said = {"password": "another good password", "csrf_token": form_token(client, path)}
    assert client.post(path, data=said).status_code == 303
    member.password_hash = factories.hashed()


def written_by_hand(site: Site, member: User) -> None:
    """The password alone, as by a statement in the database."""
    member.password_hash = f"{member.password_hash} "


def sign_out_everywhere(site: Site, member: User) -> None:
    assert site.browser("member").delete("/api/sessions").status_code == 204


def sign_out_by_the_page(site: Site, member: User) -> None:
    answer = site.browser("member").post(f"{site.settings}/account/sessions/revoke-others")
    assert answer.status_code == 303


def close_and_open(site: Site, member: User) -> None:
    owner, path = site.browser("owner"), f"{site.api}/members/{member.id}/deactivation"
    assert (owner.put(path).status_code, owner.delete(path).status_code) == (200, 200)


def nothing(site: Site, member: User) -> None:
    """The control: without one of the others it stays known."""


ENDINGS: list[Ending] = [
    change_password,
    set_by_link,
    written_by_hand,
    sign_out_everywhere,
    sign_out_by_the_page,
    close_and_open,
    nothing,
]


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__)
def test_what_ends_known_devices(
    site: Site, db: SQLAlchemy, member: User, known: FlaskClient, flood: Callable[..., None], end: Ending
) -> None:
    end(site, member)
    flood(member.email)

    answer = sign_in(known, member.email)

    assert answer.status_code == (303 if end is nothing else 429)


def test_old_ones_are_forgotten(
    app: Flask, member: User, known: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = known.get_cookie(COOKIE)
    assert value
    with app.test_request_context(headers={"Cookie": f"{COOKIE}={value.value}"}):
        assert devices.known(member)
        monkeypatch.setattr(devices, "LIFE", timedelta(seconds=-1))
        assert devices.known(member) is None


def test_a_known_browser_may_change_its_password_in_a_flood(
    site: Site, member: User, known: FlaskClient, flood: Callable[..., None]
) -> None:
    factories.sign_in(known, member)
    flood(member.email)
    said = {"current": factories.PASSWORD, "password": "another good password"}
    assert site.browser("member").put("/api/me/password", json=said).status_code == 429

    assert known.put("/api/me/password", json=said).status_code == 204


def test_a_wrong_password_of_who_is_signed_in_is_written_down(site: Site, db: SQLAlchemy) -> None:
    said = {"current": WRONG, "password": "another good password"}
    assert site.browser("member").put("/api/me/password", json=said).status_code == 422

    [entry] = db.session.scalars(select(AuditEntry))
    assert (entry.action, entry.actor) == ("password.refused", f"person:{site.people['member'].id}")
