"""Over a raw socket to every route: whatever is sent, an answer below 500, in the API's own form (I14).

Hypothesis makes the requests from the description of the API and from the routes of the pages, the same
ones in every run; `make chaos` makes twenty times as many, and other ones each time.
"""

import json
import re
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from hypothesis import given, settings
from hypothesis import strategies as st

from models import labs
from models.base import new_id
from models.message import Draft
from models.posting import post
from models.session import UserSession
from tests import factories
from tests.support import live as commands
from tests.support.live import Live
from tests.support.rounds import ROUNDS
from tests.webapp.conftest import Site
from tests.webapp.hostile import BODIES, FRAMES, HEADERS, KINDS, PLACES, VALUES, WRONG
from webapp.csrf import token_for
from webapp.schemas import Error

PER_OPERATION = 8
ENDS_THE_SEARCH = ("/archive", "/sign-out")

FORM = ("csrf_token", "email", "password", "current", "name", "new_name", "code", "project_name", "next",
        "flag",
        "on", "role", "kind", "agent_key", "days", "remember", "labs", "agents")  # fmt: skip
GOOD = {"content": "ok", "message": "ok", "name": "Name", "role": "viewer", "kind": "worker", "days": 1,
        "seq": 0,
        "current": "wrong password", "password": "another long one", "target_agent_key": "ada", "key": "key",
        "client_id": "c", "message_id": "m", "mode": "builtin", "wait": 0, "attempt": 1}  # fmt: skip


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    fields: tuple[str, ...] = ()

    @property
    def api(self) -> bool:
        return self.path.startswith("/api/")

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def operations(app: Flask) -> list[Operation]:
    """What the API says of itself, and the pages, which nothing describes but their routes."""
    said = app.test_client().get("/api/openapi.json").get_json()
    schemas = said["components"]["schemas"]

    def fields(operation: dict[str, Any]) -> tuple[str, ...]:
        body = (
            operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        )
        return tuple(schemas.get(body.get("$ref", "").rpartition("/")[2], {}).get("properties", ()))

    found = [Operation(method.upper(), path, fields(operation)) for path, each in said["paths"].items()
             for method, operation in each.items() if method != "parameters"]  # fmt: skip
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith(("/api/", "/static/")):
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
            methods = sorted((rule.methods or set()) & {"GET", "POST"})
            found += [Operation(method, path, FORM if method == "POST" else ()) for method in methods]
    return [each for each in found if not each.path.endswith(ENDS_THE_SEARCH)]


@st.composite
def request(
    draw: Callable[[Any], Any], operation: Operation, known: dict[str, str], signed: list[bytes]
) -> bytes:
    """One request, right but for one or two of its parts."""
    wrong = draw(st.sets(st.sampled_from(["place", "query", "header", "field", "body", "kind", "asker"]),
                         min_size=1, max_size=2))  # fmt: skip
    names = re.findall(r"\{(\w+)\}", operation.path)
    target = operation.path.encode()
    victim = draw(st.sampled_from(names)) if names and "place" in wrong else None
    for name in names:
        value = (
            draw(st.sampled_from(PLACES))
            if name == victim
            else quote(known.get(name) or str(new_id())).encode()
        )
        target = target.replace(b"{%b}" % name.encode(), value)
    if "query" in wrong:
        name = draw(
            st.sampled_from(["since", "wait", "before", "after", "around", "limit", "next", "code", "x"])
        )
        target += b"?" + name.encode() + b"=" + draw(st.sampled_from(VALUES))
    headers = [] if "asker" in wrong else [*signed]
    if "header" in wrong:
        headers.append(draw(st.sampled_from(HEADERS)))
    body = b""
    if operation.method in ("POST", "PUT", "PATCH"):
        said = {name: GOOD.get(name, known.get(name, "x")) for name in operation.fields}
        if "field" in wrong and said:
            said[draw(st.sampled_from(sorted(said)))] = draw(st.sampled_from(WRONG) | st.text(max_size=20))
        body = json.dumps(said).encode() if operation.api else form(said)
        if "body" in wrong:
            body = draw(st.sampled_from(BODIES) | st.binary(max_size=40))
        usual = b"application/json" if operation.api else b"application/x-www-form-urlencoded"
        kind = draw(st.sampled_from(KINDS)) if "kind" in wrong else usual
        headers += [b"Content-Type: " + kind, b"Content-Length: %d" % len(body)]
    if not any(header.startswith(b"Host:") for header in headers):
        headers.append(b"Host: 127.0.0.1")
    head = b"\r\n".join(
        [operation.method.encode() + b" " + target + b" HTTP/1.1", *headers, b"Connection: close"]
    )
    return head + b"\r\n\r\n" + body


def form(said: dict[str, Any]) -> bytes:
    return urlencode(
        {name: str(value).encode("utf-8", "surrogatepass") for name, value in said.items()}
    ).encode()


@dataclass(frozen=True)
class Answer:
    status: int
    kind: str
    body: bytes

    @property
    def names_the_executor(self) -> bool:
        """Whether it is the 503 that a check of skills gets while no runs worker is there, as here."""
        return self.status == 503 and b'"executor_offline"' in self.body

    def fault(self, api: bool) -> str:
        """What I14 forbids about it; empty when all is well."""
        if self.status >= 500 and not self.names_the_executor:
            return f"answered {self.status}"
        if b"Traceback" in self.body:
            return "showed a stack trace"
        if api and self.status >= 400 and self.kind == "application/json":
            return str(Error().validate(json.loads(self.body)) or "")
        return ""


def ask(port: int, raw: bytes) -> Answer | None:
    """None where the server hangs up on what is no request at all."""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
        with suppress(OSError):  # it may have heard enough, and hung up
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
        response = HTTPResponse(connection)
        try:
            response.begin()
            return Answer(response.status, response.headers.get_content_type(), response.read())
        except (HTTPException, ConnectionError):
            return None


class Search:
    """Asks a web process as an owner, or as nobody; `faults` holds what it should not have answered."""

    def __init__(self, live: Live, site: Site, db: SQLAlchemy) -> None:
        self.live, self.site, self.db = live, site, db
        self.statuses: Counter[int] = Counter()
        owner = site.people["owner"]
        _, secret = UserSession.start(owner, "127.0.0.1", "pytest")
        agent = factories.agent(site.project, "ada")
        message = post(site.project.room, Draft.of(owner.id, "hello @ada", "first"))
        db.session.commit()
        self.signed = [f"Cookie: tr_sid={secret}".encode(), f"X-CSRF-Token: {token_for(secret)}".encode()]
        self.known = {
            "project_id": str(site.project.id),
            "project_key": site.project.key,
            "thread_id": str(site.project.room.id),
            "message_id": str(message.id),
            "agent_id": str(agent.id),
            "user_id": str(site.people["viewer"].id),
            "membership_id": str(site.people["viewer"].memberships[0].id),
            "delivery_id": str(message.deliveries[0].id),
            "name": f"project:{site.project.id}",
            "emoji": "👍",
        }

    def fault(self, raw: bytes, api: bool = False) -> str:
        answer = ask(self.live.port, raw)
        self.statuses[answer.status if answer else 0] += 1
        return answer.fault(api) if answer else ""

    def through(self, operation: Operation, examples: int = PER_OPERATION * ROUNDS) -> None:
        """Fails with the smallest request that is answered wrongly."""
        labs.write(self.site.project.id, {"team_room": True})  # an earlier one may have switched it off
        self.db.session.commit()

        @settings(max_examples=examples, database=None, deadline=None, derandomize=ROUNDS == 1)
        @given(request(operation, self.known, self.signed))
        def holds(raw: bytes) -> None:
            fault = self.fault(raw, operation.api)
            assert not fault, f"{operation} {fault}: {raw[:300]!r}"

        holds()

    def still_signed_in(self) -> bool:
        head = b"\r\n".join([b"GET /api/me HTTP/1.1", b"Host: 127.0.0.1", *self.signed, b"Connection: close"])
        answer = ask(self.live.port, head + b"\r\n\r\n")
        return answer is not None and answer.status == 200


def test_whatever_is_sent_gets_an_answer_below_500(live: Live, site: Site, db: SQLAlchemy) -> None:
    live.start("web")
    search = Search(live, site, db)
    live.wait_web()

    for operation in operations(site.app):
        search.through(operation)
    faults = {raw[:80]: fault for raw in FRAMES if (fault := search.fault(raw))}

    assert faults == {}
    assert search.still_signed_in(), "else all was refused for one reason only"
    assert {200, 201, 204, 303, 400, 401, 403, 404, 405, 409, 413, 414, 415, 422} <= search.statuses.keys()
    assert "unhandled" not in live.web.log
    assert "outside the application" not in live.web.log


@pytest.mark.databases("sqlite")
def test_without_the_limits_it_would_not(
    live: Live, site: Site, db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the same search finds what is wrong with a web that reads whatever is sent."""
    monkeypatch.setitem(commands.COMMANDS, "careless", ("-m", "tests.webapp.careless_web"))
    live.start("web", "careless")
    search = Search(live, site, db)
    live.wait_web()

    assert "answered 500" in {search.fault(raw) for raw in FRAMES}
    with pytest.raises(AssertionError, match="answered 500"):
        search.through(Operation("GET", "/{project_key}/chat"), examples=300)
    assert "unhandled" in live.web.log
