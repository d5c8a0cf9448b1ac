"""Signing in and out, and what ends a session."""

import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from models.audit import AuditEntry
from models.base import utcnow
from models.limits import LoginAttempt
from models.secret import digest
from models.session import UserSession
from models.user import password_matches
from tests import factories
from tests.webapp.conftest import Site
from webapp import accounts
from webapp.auth import client_address
from webapp.pages import sessions

COOKIE = "tr_sid"


def form_token(client: FlaskClient, path: str = "/sign-in") -> str:
    found = re.search(r'name="csrf_token" value="([0-9a-f]+)"', client.get(path).text)
    assert found
    return found[1]


def sign_in(client: FlaskClient, email: str, password: str = factories.PASSWORD, **more: str) -> TestResponse:
    token = form_token(client, "/sign-in?next=/")
    said = {"email": email, "password": password, "csrf_token": token}
    return client.post("/sign-in", data=said | more)


def guesses_at_once(clients: Sequence[FlaskClient], email: str) -> list[int]:
    """Each client tries a wrong password, all at the same moment; the statuses."""
    tokens = [form_token(client) for client in clients]
    factories.db.session.commit()
    barrier = threading.Barrier(len(clients))

    def guess(client: FlaskClient, token: str) -> int:
        barrier.wait()
        said = {"email": email, "password": "wrong wrong wrong", "csrf_token": token}
        return client.post("/sign-in", data=said).status_code

    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(guess, clients, tokens))


def cookie(client: FlaskClient) -> str | None:
    found = client.get_cookie(COOKIE)
    return found.value if found else None


def test_the_right_password_opens_the_room(client: FlaskClient, site: Site) -> None:
    answer = sign_in(client, site.people["member"].email, next=f"/{site.project.key}/chat")

    assert (answer.status_code, answer.location) == (303, f"/{site.project.key}/chat")
    assert client.get(f"/{site.project.key}/chat").status_code == 200


def test_the_cookie_cannot_be_read_by_scripts_nor_sent_by_other_sites(
    client: FlaskClient, site: Site
) -> None:
    said = sign_in(client, site.people["member"].email).headers.getlist("Set-Cookie")

    [line] = [each for each in said if each.startswith(COOKIE)]
    assert "HttpOnly" in line
    assert "SameSite=Lax" in line
    assert "Path=/" in line


def test_over_https_only_the_host_prefixed_cookie_counts(app: Flask, site: Site) -> None:
    client = app.test_client()
    form = client.get("/sign-in", base_url="https://room.example")
    token = re.search(r'name="csrf_token" value="([0-9a-f]+)"', form.text)
    assert token
    answer = client.post(
        "/sign-in",
        base_url="https://room.example",
        data={
            "email": site.people["member"].email,
            "password": factories.PASSWORD,
            "csrf_token": token[1],
        },
    )

    [line] = [each for each in answer.headers.getlist("Set-Cookie") if "tr_sid" in each]
    assert line.startswith("__Host-tr_sid=")
    assert "Secure" in line
    assert "Domain" not in line
    secret = line.partition("=")[2].partition(";")[0]
    planted = app.test_client()
    planted.set_cookie(COOKIE, secret, domain="room.example")
    assert planted.get("/api/me", base_url="https://room.example").status_code == 401
    assert answer.headers["Strict-Transport-Security"]


@pytest.mark.parametrize("who", ["member", "nobody"])
def test_wrong_and_unknown_are_refused_in_the_same_words(app: Flask, site: Site, who: str) -> None:
    email = site.people["member"].email if who == "member" else "nobody@example.org"

    answer = sign_in(app.test_client(), email, "not the right password")

    assert answer.status_code == 422
    assert "The address or the password is not right" in answer.text


@pytest.mark.parametrize("email", ["", "\0", "a" * 300, "no address", "null"])
def test_an_address_that_is_none_is_only_wrong(client: FlaskClient, email: str) -> None:
    assert sign_in(client, email).status_code in (400, 422)


def test_an_account_without_a_password_lets_nobody_in(
    client: FlaskClient, site: Site, db: SQLAlchemy
) -> None:
    site.people["member"].password_hash = None

    for guess in ("", "None", "null", factories.PASSWORD):
        assert sign_in(client, site.people["member"].email, guess).status_code == 422


def test_a_planted_session_is_not_the_one_that_signing_in_gives(
    app: Flask, site: Site, db: SQLAlchemy
) -> None:
    """Session fixation: the attacker knows the id that the browser has before."""
    attacker = site.browser("stranger")
    planted = cookie(attacker)
    assert planted
    victim = app.test_client()
    victim.set_cookie(COOKIE, planted)

    # The sign-in page of who is signed in asks for the password again.
    sign_in(victim, site.people["owner"].email, next="/")

    assert cookie(victim) not in (None, planted)
    assert attacker.get("/api/me").status_code == 401
    assert victim.get("/api/me").json["email"] == site.people["owner"].email  # type: ignore[index]


def test_signing_out_ends_the_session_for_every_copy_of_the_cookie(app: Flask, site: Site) -> None:
    client = site.browser("member")
    copy = app.test_client()
    copy.set_cookie(COOKIE, cookie(client) or "")
    assert copy.get("/api/me").status_code == 200

    assert client.post("/sign-out").status_code == 303

    assert copy.get("/api/me").status_code == 401


def test_a_session_ended_elsewhere_is_over(site: Site) -> None:
    laptop, phone = site.browser("member"), site.browser("member")
    said = laptop.get("/api/sessions").json
    assert said
    [other] = [each for each in said["sessions"] if not each["current"]]

    assert laptop.delete(f"/api/sessions/{other['id']}").status_code == 204

    assert phone.get("/api/me").status_code == 401
    assert laptop.get("/api/me").status_code == 200


def test_nobody_ends_the_session_of_another(site: Site, db: SQLAlchemy) -> None:
    site.browser("member")
    session = db.session.scalars(select(UserSession)).one()

    assert site.browser("owner").delete(f"/api/sessions/{session.id}").status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"seen_at": utcnow() - timedelta(hours=13)},
        {"created_at": utcnow() - timedelta(days=8)},
        {"revoked_at": utcnow()},
    ],
    ids=["idle", "old", "revoked"],
)
def test_sessions_end_by_themselves(site: Site, db: SQLAlchemy, change: dict[str, object]) -> None:
    client = site.browser("member")
    assert client.get("/api/me").status_code == 200
    db.session.execute(update(UserSession).values(change), execution_options={"touched": True})

    assert client.get("/api/me").status_code == 401


def test_being_seen_is_noted_after_the_answer_at_most_once_a_minute(site: Site, db: SQLAlchemy) -> None:
    client = site.browser("member")
    before = utcnow() - timedelta(minutes=5)
    db.session.execute(update(UserSession).values(seen_at=before), execution_options={"touched": True})

    client.get("/api/me").close()
    first = db.session.scalars(select(UserSession.seen_at)).one()
    client.get("/api/me").close()

    assert first > before
    assert db.session.scalars(select(UserSession.seen_at)).one() == first


def test_only_hashes_of_session_ids_are_stored(site: Site, db: SQLAlchemy) -> None:
    secret = cookie(site.browser("member")) or ""

    [stored] = db.session.scalars(select(UserSession.token_hash))
    assert stored == digest(secret)


def test_a_new_password_ends_the_other_sessions(site: Site, app: Flask) -> None:
    laptop, phone = site.browser("member"), site.browser("member")
    new = "another good password"

    changed = laptop.put("/api/me/password", json={"current": factories.PASSWORD, "password": new})

    assert changed.status_code == 204, changed.text
    assert phone.get("/api/me").status_code == 401
    assert laptop.get("/api/me").status_code == 200
    email = site.people["member"].email
    assert sign_in(app.test_client(), email).status_code == 422
    assert sign_in(app.test_client(), email, new).status_code == 303


def test_the_old_password_is_asked_for(site: Site) -> None:
    said = {"current": "not mine at all", "password": "another good password"}

    answer = site.browser("member").put("/api/me/password", json=said)

    assert answer.status_code == 422
    assert "current" in answer.json["error"]["fields"]  # type: ignore[index]


def test_the_account_page_shows_sessions_and_changes_the_password(site: Site) -> None:
    client = site.browser("member")
    other = site.browser("member")
    assert "pytest" in client.get(f"{site.settings}/account").text

    wrong = client.post(f"{site.settings}/account/password", data={"current": "x", "password": "y"})
    right = client.post(
        f"{site.settings}/account/password",
        data={"current": factories.PASSWORD, "password": "another good password"},
    )

    assert (wrong.status_code, right.status_code) == (422, 201)
    assert "Saved" in right.text
    assert other.get("/api/me").status_code == 401


def test_sign_out_everywhere_else(site: Site) -> None:
    client, other = site.browser("member"), site.browser("member")

    client.post(f"{site.settings}/account/sessions/revoke-others")

    assert other.get("/api/me").status_code == 401
    assert client.get("/api/me").status_code == 200


# --- throttle ---


def test_guessing_is_stopped_and_the_victim_gets_in_from_elsewhere(
    app: Flask, site: Site, db: SQLAlchemy
) -> None:
    email = site.people["member"].email
    guesser = app.test_client()
    answers = [sign_in(guesser, email, f"guess number {number}") for number in range(7)]

    assert [each.status_code for each in answers] == [422] * 5 + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert sign_in(guesser, email).status_code == 429  # the right one does not help either
    elsewhere = app.test_client()
    elsewhere.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    assert sign_in(elsewhere, email).status_code == 303


def test_what_is_throttled_is_not_hashed(app: Flask, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    email = site.people["member"].email
    for number in range(5):
        sign_in(app.test_client(), email, f"guess number {number}")
    hashed: list[object] = []
    monkeypatch.setitem(app.extensions, "offload", lambda work, *args: hashed.append(work))

    assert sign_in(app.test_client(), email).status_code == 429
    assert hashed == []


def test_a_refusal_comes_late_and_nobody_waits_in_line_behind_it(
    app: Flask, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood that is refused at once would be fast enough to keep everybody else waiting."""
    email = site.people["member"].email
    line = threading.BoundedSemaphore(1)
    slept: list[tuple[float, bool]] = []

    def sleep(seconds: float) -> None:
        slept.append((seconds, free := line.acquire(blocking=False)))
        if free:
            line.release()

    monkeypatch.setattr(accounts, "_SIGNING_IN", line)
    monkeypatch.setattr(sessions, "time", SimpleNamespace(sleep=sleep))
    answers = [sign_in(app.test_client(), email, f"guess number {number}") for number in range(6)]

    assert [each.status_code for each in answers] == [422] * 5 + [429]
    assert slept == [(sessions.REFUSED_SECONDS, True)]


def test_sign_ins_stand_in_line_and_are_told_when_it_is_long(
    app: Flask, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "IN_LINE_SECONDS", 0)
    email = site.people["member"].email
    with accounts.turn_to_sign_in():
        assert sign_in(app.test_client(), email).status_code == 303
        with accounts.turn_to_sign_in():
            full = sign_in(app.test_client(), email)

    assert full.status_code == 503
    assert sign_in(app.test_client(), email).status_code == 303


def test_an_unknown_address_costs_as_much_work_as_a_known_one(
    app: Flask, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[object, ...]] = []

    def offload(work: Callable[..., object], *args: object) -> object:
        done.append((work, args[0] is None))
        return work(*args)

    monkeypatch.setitem(app.extensions, "offload", offload)
    sign_in(app.test_client(), site.people["member"].email, "wrong wrong wrong")
    sign_in(app.test_client(), "nobody@example.org", "wrong wrong wrong")

    assert done == [(password_matches, False), (password_matches, True)]


def test_guesses_made_at_once_do_not_all_pass_the_check(app: Flask, site: Site) -> None:
    """Each is counted before it is hashed: with a slow hash, the others must see it."""
    answers = guesses_at_once([app.test_client() for _ in range(12)], site.people["member"].email)

    assert len(answers) == 12
    assert answers.count(422) <= 5
    assert set(answers) <= {422, 429}


@pytest.mark.parametrize(("hops", "address"), [(0, "127.0.0.1"), (1, "198.51.100.7"), (2, "203.0.113.5")])
def test_only_trusted_proxies_say_where_a_request_comes_from(
    make_app: Callable[..., Flask], site: Site, hops: int, address: str
) -> None:
    """The last hop is written by our own proxy; what stands before it, anybody can send."""
    app = make_app(TRUSTED_PROXIES=hops)
    client = app.test_client()
    client.environ_base["HTTP_X_FORWARDED_FOR"] = "192.0.2.1, 203.0.113.5, 198.51.100.7"
    sign_in(client, site.people["member"].email, "wrong wrong wrong")

    assert factories.db.session.scalars(select(LoginAttempt.address)).all() == [address]


def test_one_ipv6_subscriber_is_one_address(app: Flask) -> None:
    with app.test_request_context(environ_base={"REMOTE_ADDR": "2001:db8:1:2:3:4:5:6"}):
        assert client_address() == "2001:db8:1:2::/64"


def test_another_forwarded_address_does_not_help_the_guesser(app: Flask, site: Site) -> None:
    client = app.test_client()
    codes = []
    for number in range(6):
        client.environ_base["HTTP_X_FORWARDED_FOR"] = f"198.51.100.{number}"
        codes.append(sign_in(client, site.people["member"].email, "wrong wrong wrong").status_code)

    assert codes[-1] == 429


def test_one_address_may_not_try_many_accounts(app: Flask, site: Site, db: SQLAlchemy) -> None:
    for number in range(20):
        LoginAttempt.failed(f"person{number}@example.org", "127.0.0.1")

    assert sign_in(app.test_client(), site.people["member"].email).status_code == 429


def test_success_does_not_count_as_a_failure(app: Flask, site: Site, db: SQLAlchemy) -> None:
    for _ in range(7):
        assert sign_in(app.test_client(), site.people["member"].email).status_code == 303
    assert db.session.scalars(select(LoginAttempt)).all() == []


def test_both_outcomes_are_in_the_audit_log(app: Flask, site: Site, db: SQLAlchemy) -> None:
    email = site.people["member"].email
    sign_in(app.test_client(), email, "wrong wrong wrong")
    sign_in(app.test_client(), email)

    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.seq)).all()
    assert [entry.action for entry in entries] == ["sign_in.failed", "sign_in"]
    assert email not in str([vars(entry) for entry in entries])


# --- where it leads ---


@pytest.mark.parametrize(
    "path", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "\t//x"]
)
def test_signing_in_leads_nowhere_else(client: FlaskClient, site: Site, path: str) -> None:
    assert sign_in(client, site.people["member"].email, next=path).location == "/"


def test_a_page_asks_to_sign_in_and_comes_back(app: Flask, site: Site) -> None:
    answer = app.test_client().get(f"{site.settings}/account")

    assert answer.location == f"/sign-in?next={site.settings}/account"


def test_what_was_not_ticked_stays_so_when_the_form_is_shown_again(client: FlaskClient, site: Site) -> None:
    email = site.people["member"].email

    shown = [sign_in(client, email, "not the password", **more).text for more in ({}, {"remember": "on"})]

    assert ["checked" in page for page in [client.get("/sign-in").text, *shown]] == [True, False, True]


# --- reset ---


def test_an_owners_link_sets_a_new_password_once(site: Site, app: Flask, owner: FlaskClient) -> None:
    member = site.people["member"]
    old = site.browser("member")
    said = owner.post(f"{site.api}/members/{member.id}/reset").json
    assert said
    path = said["url"].removeprefix("http://localhost")
    client = app.test_client()
    data = {"password": "a new good password", "csrf_token": form_token(client, path)}

    short = client.post(path, data=data | {"password": "short"})
    first, second = client.post(path, data=data), app.test_client().get(path)

    assert (short.status_code, first.status_code, second.status_code) == (422, 303, 404)
    assert client.get("/api/me").json["email"] == member.email  # type: ignore[index]
    assert old.get("/api/me").status_code == 401


@pytest.mark.parametrize("token", ["x", "null", "None", "%20", "WyJ4IiwieSJd"])
def test_another_link_resets_nothing(client: FlaskClient, token: str) -> None:
    assert client.get(f"/reset/{token}").status_code == 404


def test_who_owns_one_project_cannot_reset_an_owner_of_another(site: Site, owner: FlaskClient) -> None:
    factories.membership(site.project, site.people["stranger"], "viewer")

    answer = owner.post(f"{site.api}/members/{site.people['stranger'].id}/reset")

    assert answer.status_code == 403


def test_a_reset_link_ends_with_the_role_of_its_maker(site: Site, app: Flask, owner: FlaskClient) -> None:
    answer = owner.post(f"{site.api}/members/{site.people['member'].id}/reset").json
    assert answer
    link = answer["url"].removeprefix("http://localhost")
    assert app.test_client().get(link).status_code == 200
    factories.membership(site.project, factories.user(), "owner")
    next(each for each in site.people["owner"].memberships).change_role("operator")

    assert app.test_client().get(link).status_code == 404


def test_reset_links_are_for_active_people(site: Site, app: Flask, db: SQLAlchemy) -> None:
    with app.test_request_context():
        link = accounts.link_to_reset(site.people["member"])
    site.people["member"].deactivate()

    assert app.test_client().get(link.removeprefix("http://localhost")).status_code == 404
