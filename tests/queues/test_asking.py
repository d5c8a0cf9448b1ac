"""api_call and webhooks: what leaves, what is told of the answer, and what is known when there is none."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from models import AllowedHost, Project, ProjectSecret
from models.actions import params_of
from models.base import new_id
from queues.actions import api_call, webhook
from queues.actions.asking import TOLD, blot, told
from queues.actions.job import CannotBeDone, Job, OutcomeUnknown
from queues.egress import Answer
from tests import factories
from tests.support.foreign import INSIDE, Foreign, egress, ok

NAME = "api.example.test"
SECRET = "Bearer s3cret/value+1"


@pytest.fixture
def project(app: Flask, db: SQLAlchemy) -> Project:
    made = factories.project("oasis")
    db.session.commit()
    return made


@pytest.fixture
def let_out(app: Flask, project: Project, db: SQLAlchemy) -> Iterator[Callable[..., Job]]:
    """Lists the server, and gives the job of an action that asks it."""

    def job(server: Foreign, action_type: str, listed: bool = True, **params: Any) -> Job:
        if listed:
            owner = factories.member(project, "owner")
            host = AllowedHost.add(project.id, f"http://{NAME}:{server.port}", owner)
            db.session.flush()
            ProjectSecret.store(project.id, "token", host.origin, SECRET, owner, app.config["SECRET_KEY"])
            db.session.commit()
        ids = [new_id() for _ in range(5)]
        return Job(ids[0], ids[1], ids[2], project.id, ids[3], "trunks", ids[4],
                   params_of(action_type, params), "the-key")  # fmt: skip

    app.extensions["egress"] = egress()
    yield job
    del app.extensions["egress"]


Out = Callable[..., Job]


def call(server: Foreign, let_out: Out, method: str = "GET", **more: Any) -> Job:
    return let_out(server, "api_call", url=f"http://{NAME}:{server.port}/a", method=method, **more)


def test_a_request_leaves_as_it_was_approved(app: Flask, let_out: Out) -> None:
    with Foreign(ok(b'{"id": 7}')) as server:
        job = call(server, let_out, "POST", headers={"X-A": "b"}, body='{"n":"ä"}')
        said = api_call.perform(app, job)

    [request] = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /a HTTP/1.1")
    assert {b"X-A: b", b"Idempotency-Key: the-key"} <= {*head.split(b"\r\n")}
    assert body == '{"n":"ä"}'.encode()
    assert said == f'{NAME}:{server.port} answered 200 with 9 bytes:\n{{"id": 7}}'


def test_a_secret_is_sent_and_never_told(app: Flask, let_out: Out) -> None:
    value = SECRET.split()[1]
    spellings = [SECRET, value, base64.b64encode(SECRET.encode()).decode(), "Bearer%20s3cret%2Fvalue%2B1",
                 "Bearer+s3cret%2Fvalue%2B1", json.dumps(value)]  # fmt: skip
    with Foreign(ok("\n".join(spellings).encode(), f"X-Echo: {SECRET}\r\n".encode())) as server:
        said = api_call.perform(app, call(server, let_out, secret_headers={"Authorization": "token"}))

    assert f"Authorization: {SECRET}".encode() in server.requests[0]
    assert "s3cret" not in said
    assert base64.b64encode(SECRET.encode()).decode()[:20] not in said
    assert said.count("⟨secret token⟩") == len(spellings)


def test_without_blotting_out_it_would_be_told() -> None:
    """The control."""
    assert "s3cret" in blot(SECRET, {})


@pytest.mark.parametrize(
    "repeated",
    [r"s3cret\/value+1", r"s3cret/value\u002b1", "s3cret&#x2F;value&#43;1", "s3cret%2fvalue%2b1",
     r"s3cret\u0025\u0032fvalue+1", "s3cret&#x5c;/value+1"],
)  # fmt: skip
def test_a_body_that_repeats_a_secret_in_another_way_is_not_shown(repeated: str) -> None:
    answer = Answer(302, {"location": f"/?{repeated}"}, f"it is {repeated}".encode(), True)
    said = told(NAME, answer, {"token": SECRET})

    assert "s3cret" not in said
    assert "not shown, since they repeat a secret" in said
    assert "a secret" not in told(NAME, answer, {"token": "another one"})


def test_what_basic_says_is_blotted_out_too() -> None:
    value = "Basic " + base64.b64encode(b"somebody-there:pass:word 1").decode()

    assert blot("somebody-there pass:word 1", {"basic": value}) == "⟨secret basic⟩ ⟨secret basic⟩"
    assert blot("somebody", {"basic": "Basic not base64"}) == "somebody"


def test_half_of_a_secret_at_the_end_is_none(app: Flask, let_out: Out) -> None:
    with Foreign(ok(b"x" * (TOLD - 10) + SECRET.encode())) as server:
        said = api_call.perform(app, call(server, let_out, secret_headers={"Authorization": "token"}))

    assert "Bearer" not in said


@pytest.mark.parametrize("names", [{"Authorization": "missing"}, {"X-A": "token", "X-B": "missing"}])
def test_a_secret_that_is_not_there_stops_it(app: Flask, let_out: Out, names: dict[str, str]) -> None:
    with (
        Foreign() as server,
        pytest.raises(CannotBeDone, match="Nothing was sent: this project has no secret"),
    ):
        api_call.perform(app, call(server, let_out, secret_headers=names))

    assert server.accepted == 0


def test_a_secret_of_another_server_stops_it(
    app: Flask, let_out: Out, project: Project, db: SQLAlchemy
) -> None:
    with Foreign() as server, Foreign() as other:
        call(server, let_out)
        AllowedHost.add(project.id, f"http://{NAME}:{other.port}", factories.user())
        db.session.commit()
        job = let_out(other, "api_call", listed=False, url=f"http://{NAME}:{other.port}/", method="GET",
                      secret_headers={"Authorization": "token"})  # fmt: skip
        with pytest.raises(CannotBeDone, match="may be sent to"):
            api_call.perform(app, job)

    assert other.accepted == 0


def test_a_server_that_nobody_listed_is_not_asked(app: Flask, let_out: Out) -> None:
    with Foreign() as server, pytest.raises(CannotBeDone, match=r"Nothing was sent .* not on the list"):
        api_call.perform(app, call(server, let_out, listed=False))

    assert server.accepted == 0


def test_a_server_inside_is_not_asked_though_it_is_listed(app: Flask, let_out: Out) -> None:
    with Foreign(host=INSIDE) as server:
        job = call(server, let_out)
        app.extensions["egress"] = egress([INSIDE])
        with pytest.raises(CannotBeDone, match="not a public address"):
            api_call.perform(app, job)

    assert server.accepted == 0


@pytest.mark.parametrize("status", [304, 400, 404, 500, 502, 504])
def test_an_answer_that_is_no_success_is_told(app: Flask, let_out: Out, status: int) -> None:
    says = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()
    with Foreign(says) as server, pytest.raises(CannotBeDone, match=f"answered {status} with 0 bytes."):
        api_call.perform(app, call(server, let_out))


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_cannot_know_what_was_changed_behind_it(app: Flask, let_out: Out, status: int) -> None:
    says = f"HTTP/1.1 {status} No\r\nContent-Length: 4\r\n\r\nlate".encode()
    with Foreign(says) as server:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            with pytest.raises(OutcomeUnknown, match=rf"Look there .* answered {status} with 4 bytes:\nlate"):
                api_call.perform(app, call(server, let_out, method, listed=method == "POST"))
        hook = let_out(server, "send_message", listed=False, channel="webhook",
                       recipient=f"http://{NAME}:{server.port}/", content="Done")  # fmt: skip
        with pytest.raises(OutcomeUnknown):
            webhook.send(app, hook)

    assert len(server.requests) == 5


def test_where_a_redirect_points_is_told(app: Flask, let_out: Out) -> None:
    says = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
    with Foreign(says) as server, pytest.raises(CannotBeDone, match=r"169\.254\.169\.254/ \(not followed\)"):
        api_call.perform(app, call(server, let_out))


def test_what_has_no_answer_is_for_a_person_to_look_at(app: Flask, let_out: Out) -> None:
    with Foreign(b"") as server, pytest.raises(OutcomeUnknown, match="Look there whether it was done"):
        api_call.perform(app, call(server, let_out, "POST", body="{}"))

    assert len(server.requests) == 1


def test_what_cannot_be_seen_in_an_answer_is_shown(app: Flask, let_out: Out) -> None:
    """T-XS1: it stays text, with every hidden character by its number."""
    hostile = "<script>alert(1)</script>\x1b[2K\u202egnp.exe\0\r\nend"
    with Foreign(ok(hostile.encode() + b"\xff")) as server:
        said = api_call.perform(app, call(server, let_out))

    assert said.endswith("<script>alert(1)</script>⟨U+001B⟩[2K⟨U+202E⟩gnp.exe⟨U+0000⟩⟨U+000D⟩\nend\ufffd")


def test_only_the_beginning_is_told(app: Flask, let_out: Out) -> None:
    with Foreign(ok(b"x" * 100_000)) as server:
        said = api_call.perform(app, call(server, let_out))

    assert "with 100,000 bytes" in said
    assert said.endswith("x" * TOLD + "…")
    assert len(said) < TOLD + 200


def test_what_is_packed_is_not_unpacked(app: Flask, let_out: Out) -> None:
    with Foreign(ok(b"\x1f\x8b\x08", b"Content-Encoding: gzip\r\n")) as server:
        said = api_call.perform(app, call(server, let_out))

    assert said.endswith("with 3 bytes, compressed though that was not asked for.")


def test_a_message_goes_to_a_webhook(app: Flask, let_out: Out) -> None:
    with Foreign(ok(b"ok")) as server:
        job = let_out(server, "send_message", channel="webhook", recipient=f"http://{NAME}:{server.port}/hook",
                      content="Done ✓")  # fmt: skip
        said = webhook.send(app, job)

    [request] = server.requests
    assert request.startswith(b"POST /hook HTTP/1.1")
    assert b"Content-Type: application/json" in request
    assert b"Idempotency-Key: the-key" in request
    assert json.loads(request.partition(b"\r\n\r\n")[2]) == {
        "text": "Done ✓", "from": "trunks", "project": "oasis",
    }  # fmt: skip
    assert said.endswith("answered 200 with 2 bytes:\nok")
