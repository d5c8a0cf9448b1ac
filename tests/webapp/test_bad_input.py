"""Whatever is sent: a clear 4xx on the field, never a 5xx (I14)."""

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import factories
from tests.webapp.conftest import Site
from webapp.csrf import VISITOR, token_for

DEEP = "[" * 17 + "]" * 17
BODIES = {
    "empty": b"",
    "not json": b"{",
    "nan": b'{"role": NaN}',
    "infinity": b'{"role": -Infinity}',
    "overflow": b'{"role": 1e999}',
    "big number": b'{"role": ' + b"9" * 5000 + b"}",
    "deep": b'{"role": ' + DEEP.encode() + b"}",
    "very deep": b"[" * 100_000,
    "twice": b'{"role": "viewer", "role": "owner"}',
    "nul": b'{"role": "a\\u0000b"}',
    "raw nul": b'{"role": "a\x00b"}',
    "surrogate": b'{"role": "\\ud800"}',
    "surrogate key": b'{"\\ud800": 1}',
    "not utf-8": b'{"role": "\xff\xfe"}',
    "utf-16": '{"role": "viewer"}'.encode("utf-16"),
    "list": b"[]",
    "number": b"5",
    "null": b"null",
    "text": b'"viewer"',
    "many keys": json.dumps({f"k{number}": 1 for number in range(300)}).encode(),
    "long": json.dumps({"role": "x" * 70_000}).encode(),
    "bidi": json.dumps({"role": "\u202eviewer"}).encode(),
}


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("path", ["/invites", "/tokens"])
def test_a_bad_body_is_refused_in_words(owner: FlaskClient, site: Site, body: bytes, path: str) -> None:
    answer = owner.post(f"{site.api}{path}", data=body, content_type="application/json")

    assert answer.status_code in (400, 422), answer.text
    error = answer.json["error"]  # type: ignore[index]
    assert error.keys() == {"code", "message", "fields"}
    assert "Traceback" not in answer.text


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("name", ["\u202eevil", "two\nlines", "\u200b"])
@pytest.mark.parametrize("asked", ["", "/agents", "/tokens", "/projects"])
def test_a_name_that_hides_or_leaves_its_line_is_refused_at_its_field(
    owner: FlaskClient, site: Site, asked: str, name: str
) -> None:
    body = {"name": name} | {"/agents": {"key": "new"}, "/tokens": {"kind": "user"}}.get(asked, {})
    path = "/api/projects" if asked == "/projects" else f"{site.api}{asked}"

    answer = (owner.post if asked else owner.patch)(path, json=body)

    assert answer.status_code == 422
    assert list(answer.json["error"]["fields"]) == ["name"]  # type: ignore[index]


@pytest.mark.databases("sqlite")
def test_too_much_is_refused(owner: FlaskClient, site: Site) -> None:
    answer = owner.post(f"{site.api}/invites", data=b" " * (1 << 20) + b"{}", content_type="application/json")

    error = answer.json["error"]  # type: ignore[index]
    assert (answer.status_code, error["code"]) == (413, "too_large")
    assert "1,048,576 bytes" in error["message"]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("body", ["[]", "5", '"x"'])
def test_what_is_no_object_is_said_of_the_body(owner: FlaskClient, site: Site, body: str) -> None:
    answer = owner.post(f"{site.api}/invites", data=body, content_type="application/json")

    assert answer.status_code == 422
    assert list(answer.json["error"]["fields"]) == ["body"]  # type: ignore[index]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_only_json_is_taken_for_json(owner: FlaskClient, site: Site, kind: str) -> None:
    """A form of another site can send every other kind without asking."""
    answer = owner.post(f"{site.api}/invites", data=b'{"role": "viewer"}', content_type=kind)

    assert answer.status_code == 415


def every_column_of(value: Any) -> dict[str, Any]:
    return dict.fromkeys(("role", "kind", "name", "agent_key", "days", "scopes", "key", "current",
                          "password", "dms"), value)  # fmt: skip


@pytest.mark.parametrize(
    "value", [None, True, 5, -1, 1.5, "", " ", [], {}, [[]], {"a": 1}, "x" * 10_000, "\u202e", "🙂"], ids=repr
)
def test_wrong_types_everywhere_are_refused_or_mean_something(
    owner: FlaskClient, site: Site, value: Any
) -> None:
    everything = every_column_of(value)
    member = site.people["member"].id
    for method, path, names in (
        ("POST", f"{site.api}/invites", ["role"]),
        ("POST", f"{site.api}/tokens", ["kind", "name", "agent_key", "days", "scopes"]),
        ("PUT", f"{site.api}/labs", ["dms"]),
        ("POST", "/api/projects", ["name", "key"]),
        ("PATCH", site.api, ["name"]),
        ("PATCH", f"{site.api}/members/{member}", ["role"]),
        ("PUT", "/api/me/password", ["current", "password"]),
    ):
        body = {name: everything[name] for name in names}
        answer = owner.open(path, method=method, json=body)
        assert answer.status_code < 500, (path, answer.text)


@pytest.mark.parametrize(
    "path",
    ["/%00", "/x%00y/chat", "/api/projects/%00", "/api/projects/x", "/sign-in?next=%00", "/?" + "x" * 5000,
     "/invites/%ff", "/static/%00", "/static/../webapp/config.py", "/static/%2e%2e/wsgi.py", "/\u202e",
     "/api/streams/%00?since=1"],
)  # fmt: skip
def test_bad_addresses_are_only_not_found(owner: FlaskClient, path: str) -> None:
    assert 300 <= owner.get(path).status_code < 500


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("path", ["/sign-in", "/", "/api/me", "/healthz", "/nothing/here"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_address_of_other_bytes_than_utf_8_is_refused(
    client: FlaskClient, site: Site, method: str, path: str
) -> None:
    for asker in (client, site.browser("owner")):
        answer = asker.open(path, method=method, environ_overrides={"QUERY_STRING": "x=\xff"})

        assert answer.status_code == 400


@pytest.mark.databases("sqlite")
def test_an_address_that_is_too_long_is_named_so(owner: FlaskClient) -> None:
    answer = owner.get("/api/me?" + "x" * 5000)

    assert (answer.status_code, answer.json["error"]["code"]) == (414, "address_too_long")  # type: ignore[index]
    assert "That address is too long" in owner.get("/?" + "x" * 5000).text


@pytest.mark.parametrize("path", ["/sign-in", "/setup", "/invites/x", "/reset/x"])
@pytest.mark.parametrize(
    "value", ["", "\0", "x" * 300_000, "\u202e", "\ud800".encode("utf-8", "surrogatepass")]
)
def test_bad_forms_of_visitors(app: Flask, path: str, value: str | bytes) -> None:
    client = app.test_client()
    names = ("email", "password", "name", "code", "project_name", "next", "csrf_token")

    answer = client.post(path, data=dict.fromkeys(names, value))

    assert 400 <= answer.status_code < 500


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("before", ["http://[", "//[x", "http://x]/", "\\", "http://localhost:x/", "é"])
def test_who_must_sign_in_first_may_come_from_anywhere(client: FlaskClient, site: Site, before: str) -> None:
    client.set_cookie(VISITOR, "somebody")
    form = {"csrf_token": token_for("somebody")}

    answer = client.post(f"{site.settings}/labs", data=form, headers={"Referer": before})

    assert (answer.status_code, answer.location) == (303, "/sign-in?next=/")


@pytest.mark.databases("sqlite")
def test_many_parts_are_refused(owner: FlaskClient, site: Site) -> None:
    answer = owner.post(
        f"{site.settings}/labs",
        data={f"f{number}": "x" for number in range(50)},
        content_type="multipart/form-data",
    )

    assert answer.status_code == 413


@pytest.mark.parametrize("agent", ["\r\nSet-Cookie: x=1", "\x1b[31m", "x" * 10_000, "é🙂"])
def test_a_strange_browser_name_is_kept_clean(app: Flask, site: Site, agent: str) -> None:
    client = site.browser("member")
    answer = client.get("/api/sessions", headers={"User-Agent": agent.replace("\r\n", " ")})

    assert answer.status_code == 200


def test_the_error_page_is_a_page(owner: FlaskClient, site: Site) -> None:
    answer = owner.get("/nothing/here")

    assert answer.status_code == 404
    assert answer.mimetype == "text/html"
    assert factories.PASSWORD not in answer.text
