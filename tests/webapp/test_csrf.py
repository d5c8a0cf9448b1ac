"""A change needs our own page: the session's token, and a browser that says where it comes from."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import factories
from tests.webapp.conftest import Site
from webapp.csrf import token_for

pytestmark = pytest.mark.databases("sqlite")

TOKEN = "HTTP_X_CSRF_TOKEN"


def changing(app: Flask) -> Iterator[tuple[str, str]]:
    """Every address that changes something, with ids that mean nothing."""
    zero = "00000000-0000-7000-8000-000000000000"
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}):
            values = {name: zero if name.endswith("_id") else "x" for name in rule.arguments}
            yield method, str(rule.build(values)[1])  # type: ignore[index]


def test_no_change_without_the_token(app: Flask, site: Site) -> None:
    client = site.browser("owner")
    del client.environ_base[TOKEN]

    asked = [(client.open(path, method=method).status_code, method, path)
             for method, path in changing(app)]  # fmt: skip

    assert len(asked) > 30
    assert [each for each in asked if each[0] != 403] == []


def test_no_change_with_the_token_of_another(app: Flask, site: Site) -> None:
    client, other = site.browser("owner"), site.browser("stranger")
    client.environ_base[TOKEN] = other.environ_base[TOKEN]

    codes = {client.open(path, method=method).status_code for method, path in changing(app)}

    assert codes == {403}


def test_with_the_token_the_policy_answers(app: Flask, site: Site) -> None:
    """Control of the two above: the same requests are not all refused with it."""
    client = site.browser("owner")

    codes = {client.open(path, method=method).status_code for method, path in changing(app)}

    assert 404 in codes


@pytest.mark.parametrize(
    "header",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:81"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_another_site_is_refused_even_with_the_token(site: Site, header: dict[str, str]) -> None:
    answer = site.browser("owner").delete("/api/sessions", headers=header)

    assert answer.status_code == 403


@pytest.mark.parametrize(
    "header", [{"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}, {}], ids=str
)
def test_our_own_page_is_let_in(site: Site, header: dict[str, str]) -> None:
    assert site.browser("owner").delete("/api/sessions", headers=header).status_code == 204


def test_the_public_address_is_ours_too(make_app, site: Site) -> None:  # type: ignore[no-untyped-def]
    app = make_app(PUBLIC_URL="https://room.example/")
    client = factories.signed_in(app, site.people["owner"])

    answer = client.delete("/api/sessions", headers={"Origin": "https://room.example"})

    assert answer.status_code == 204


def test_signing_in_needs_the_token_of_the_form(client: FlaskClient, site: Site) -> None:
    said = {"email": site.people["member"].email, "password": factories.PASSWORD}

    bare = client.post("/sign-in", data=said)
    client.get("/sign-in")
    wrong = client.post("/sign-in", data=said | {"csrf_token": "0" * 64})

    assert (bare.status_code, wrong.status_code) == (403, 403)
    assert client.get("/api/me").status_code == 401


def test_an_empty_token_does_not_fit_a_visitor_without_cookie(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        guess = token_for("")

    answer = client.post("/sign-in", data={"csrf_token": guess})

    assert answer.status_code == 403


def test_programs_with_a_token_need_none(app: Flask, site: Site) -> None:
    _, text = factories.token(site.project, "user", site.people["member"])
    client = factories.bearer(app, text)

    answer = client.put(f"/api/threads/{site.project.room.id}/read", json={"seq": 0})

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name", ["labs", "people", "tokens", "account"])
def test_reading_a_page_changes_nothing(site: Site, name: str) -> None:
    client = site.browser("owner")
    del client.environ_base[TOKEN]

    assert client.get(f"{site.settings}/{name}").status_code == 200


def test_a_page_that_outlived_its_session_gets_the_token_of_the_new_one(site: Site) -> None:
    before, now = site.browser("owner"), site.browser("owner")
    now.environ_base[TOKEN], current = before.environ_base[TOKEN], now.environ_base[TOKEN]

    refused = now.delete("/api/sessions")
    now.environ_base[TOKEN] = now.get("/api/me").json["csrf_token"]

    assert refused.status_code == 403
    assert now.environ_base[TOKEN] == current
    assert now.delete("/api/sessions").status_code == 204
