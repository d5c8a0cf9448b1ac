"""The gate: what clients send that nobody should, and what that costs the others.

Each probe says whether the server behaves. The un-hardened library is the control: a probe that it
passes would prove nothing.
"""

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from flask import Flask
from websocket import (
    WebSocketBadStatusException,
    WebSocketException,
    WebSocketTimeoutException,
    create_connection,
)

from models.base import db
from models.session import UserSession
from realtime import tickets
from realtime.hardening import CONNECT_SECONDS, SOCKETS_PER_USER, Rate, TextPacket, origin_allowed
from tests import factories
from tests.realtime.conftest import House, Session, Web
from tests.realtime.wire import PATH, Closed, Page, Wire
from tests.support.databases import SECRET_KEY
from tests.support.live import Live
from tests.support.processes import wait_until
from webapp.csrf import token_for

pytestmark = pytest.mark.databases("sqlite")


def closes(wire: Wire, seconds: float = 5) -> bool:
    try:
        wire.wait_closed(seconds)
    except WebSocketTimeoutException:
        return False
    return True


def answered(wire: Wire) -> bool:
    """Whether the server still listens to this one."""
    try:
        wire.send('429["unsubscribe",{"stream":"x"}]')
        wire.answer(9, 3)
    except (Closed, WebSocketException, OSError):
        return False
    return True


def refuses_strangers(web: Web, session: Session) -> bool:
    """Without a session there is not even a websocket."""
    try:
        Wire(web.url)
    except WebSocketBadStatusException as refusal:
        return refusal.status_code == 401
    return False


def refuses_polling(web: Web, session: Session) -> bool:
    cookies = {"tr_sid": session[1]}
    address = f"{web.url}/socket.io/?EIO=4&transport=polling"
    return httpx2.get(address, cookies=cookies, headers={"Origin": web.url}).status_code == 400


def refuses_to_connect_without_a_ticket(web: Web, session: Session) -> bool:
    wire = Wire(web.url, session[1])
    return wire.connect(None).startswith("44") and closes(wire)


def closes_what_never_connects(web: Web, session: Session) -> bool:
    return closes(Wire(web.url, session[1]), CONNECT_SECONDS + 4)


def bounds_the_sockets_of_one_person(web: Web, session: Session) -> bool:
    wires = [Wire(web.url, session[1]) for _ in range(SOCKETS_PER_USER)]
    try:
        wires.append(Wire(web.url, session[1]))
    except WebSocketBadStatusException as refusal:
        return refusal.status_code == 401
    finally:
        for wire in wires:
            wire.close()
    return False


def connected(web: Web, session: Session) -> Wire:
    wire = Wire(web.url, session[1])
    assert wire.connect(tickets.issue(SECRET_KEY, session[0])).startswith("40")
    return wire


def closes_after_strikes(web: Web, session: Session) -> bool:
    wire = connected(web, session)
    for _ in range(40):
        wire.send('42["nothing we know",1]')
    return closes(wire, 3)


@pytest.mark.parametrize(("control", "told"), [("", False), ("tell all", True)])
def test_what_is_no_request_leaves_no_address_in_the_log(house: House, control: str, told: bool) -> None:
    """It may hold the secret of a one-time link."""
    web = house.web(CONTROL=control)
    for head in (
        "GET /setup?code=SECRET HTTP/1.1\r\n" + "".join(f"X-{n}: 1\r\n" for n in range(150)),
        "GET /reset/SECRET HTTP/9.9zz\r\n",
    ):
        with socket.create_connection(("127.0.0.1", web.port)) as asked:
            asked.sendall(head.encode() + b"\r\n")
            answer = asked.recv(1000)
            assert b"400" in answer or b"431" in answer

    assert ("SECRET" in web.log) is told


def closes_on_binary(web: Web, session: Session) -> bool:
    """An attachment that never comes would otherwise wait for ever, and hold what did come."""
    wire = connected(web, session)
    for _ in range(30):
        wire.send('459-["x",{"_placeholder":true,"num":0}]')
        wire.send_binary(b"x" * 1000)
    return closes(wire, 3)


def closes_on_a_huge_frame(web: Web, session: Session) -> bool:
    wire = connected(web, session)
    wire.send('42["x","' + "x" * 70_000 + '"]')
    return closes(wire, 3)


def closes_on_endless_fragments(web: Web, session: Session) -> bool:
    """Each part is small enough; together they are not."""
    wire = connected(web, session)
    part = b"\xfe\xff\x00" + b"\0\0\0\0" + b"a" * 0xFF00
    wire.raw(b"\x01" + part)
    try:
        for _ in range(30):
            wire.raw(b"\x00" + part)
    except OSError:
        return True
    return closes(wire, 3)


def closes_on_a_flood(frame: bytes) -> Callable[[Web, Session], bool]:
    def probe(web: Web, session: Session) -> bool:
        wire = connected(web, session)
        try:
            wire.raw(frame * 10_000)
        except OSError:
            return True
        return closes(wire, 3)

    return probe


PONG = b"\x81\x81\0\0\0\0" + b"3"
PING_FRAME = b"\x89\x80\0\0\0\0"
PROBES: dict[str, Callable[[Web, Session], bool]] = {
    "strangers": refuses_strangers,
    "polling": refuses_polling,
    "no ticket": refuses_to_connect_without_a_ticket,
    "silence": closes_what_never_connects,
    "many sockets": bounds_the_sockets_of_one_person,
    "strikes": closes_after_strikes,
    "binary": closes_on_binary,
    "fragments": closes_on_endless_fragments,
    "10,000 pongs": closes_on_a_flood(PONG),
    "10,000 ping frames": closes_on_a_flood(PING_FRAME),
}


def probe_all(house: House, web: Web) -> dict[str, bool]:
    """Each probe by a person of its own, all at once."""
    sessions = [house.session(house.person(None)) for _ in PROBES]
    with ThreadPoolExecutor(len(PROBES)) as pool:
        found = pool.map(lambda probe, session: probe(web, session), PROBES.values(), sessions)
        return dict(zip(PROBES, found, strict=True))


def test_the_gate_holds_and_others_notice_nothing(house: House) -> None:
    web = house.web()
    good = house.page(web, house.session(house.person(None)))
    before = web.state()

    failed = [name for name, behaves in probe_all(house, web).items() if not behaves]

    after = web.state()
    assert failed == []
    assert answered(good)
    assert after["pid"] == before["pid"]
    assert after["rss_mb"] - before["rss_mb"] <= 20
    assert "Traceback" not in web.log


def test_the_library_as_it_comes_fails_every_probe(house: House) -> None:
    web = house.web(CONTROL="without gate")

    passed = [name for name, behaves in probe_all(house, web).items() if behaves]

    assert passed == []


def test_nothing_is_compressed_for_whoever_asks(house: House) -> None:
    """Compression for each client would cost twice the time, and bombs could hide in it."""
    web, control = house.web(), house.web(CONTROL="without gate")
    session = house.session(house.person(None))

    assert extension_given(web, session) is None
    assert extension_given(control, session) == "permessage-deflate"


def extension_given(web: Web, session: Session) -> str | None:
    """What the server answers to a browser, which always offers to compress."""
    offer = "Sec-WebSocket-Extensions: permessage-deflate"
    address = web.url.replace("http", "ws", 1) + PATH
    opened = create_connection(address, cookie=f"tr_sid={session[1]}", origin=web.url, header=[offer])
    given: str | None = opened.getheaders().get("sec-websocket-extensions")
    opened.shutdown()
    return given


def test_a_frame_above_the_limit_ends_the_connection(house: House) -> None:
    web = house.web()

    assert closes_on_a_huge_frame(web, house.session(house.person(None)))


def test_a_client_cannot_call_the_reserved_handlers(house: House) -> None:
    web, control = house.web(), house.web(CONTROL="without gate")
    session = house.session(house.person(None))
    page, other = connected(web, session), connected(control, session)

    for words in ('["connect",{}]', '["disconnect","x"]', '["connect",{},{"auth":"forged"}]'):
        page.send(f"428{words}")
        assert words.count("auth") or page.answer(8)["ok"] is False
        other.send(f"42{words}")

    assert answered(page)
    wait_until(lambda: "disconnect" in httpx2.get(f"{control.url}/calls").json(), 5, "the control's fault")


NONSENSE = [
    *("x", "4", "4x", "43", "431", "4/", "40/other,", "42", "42[]", "42[1]", "42[null,1]", "42{}", "42[[]]"),
    *("451-[]", "45", "46", "4٢[]", "42٣[]", "bAAAA", "b", "4²", "0", "1x", "2", "5", "6", "7", "44"),
    *('42["subscribe",1,2]', '42["subscribe"', "42" + "[" * 30_000, "4" + "[" * 30_000, "40", "40{}"),
    *('42["subscribe",' + "9" * 5000 + "]", '42["subscribe",NaN]', '42["subscribe","\\ud800"]', "43[]"),
    *('44{"message":"x"}', "42" + "1" * 101 + '["x"]', "41", "1", "42" + "\0" * 100, '42["a\\u0000"]', ""),
]


def test_no_text_brings_the_process_down_or_reaches_others(house: House) -> None:
    web = house.web()
    good = house.page(web, house.session(house.person(None)))

    for index, text in enumerate(NONSENSE):
        if index % 30 == 0:
            person = house.person(None)
        bad = connected(web, house.session(person))
        bad.send(text)
        assert closes(bad, 0.05) or answered(bad), text
        bad.close()

    assert answered(good)
    assert "Traceback" not in web.log
    wait_until(lambda: web.state()["sockets"] == 1, 5, "the end of their connections")


def test_a_ticket_of_another_session_or_an_old_one_opens_nothing(house: House) -> None:
    web, person = house.web(), house.person(None)
    session, other = house.session(person), house.session(person)
    bad = [
        tickets.issue(SECRET_KEY, other[0]),
        tickets.issue("another key", session[0]),
        "", "x", 7, None, [], {}, True, session[1], "a" * 60_000,
    ]  # fmt: skip

    for ticket in bad:
        wire = Wire(web.url, session[1])
        assert wire.connect(ticket).startswith("44"), ticket
        assert closes(wire)
    assert answered(house.page(web, session))


def test_the_rate_of_events_is_bounded(house: House) -> None:
    web = house.web()
    page: Page = house.page(web, house.session(house.person(None)))

    answers = [page.ask("unsubscribe", {"stream": "x"}) for _ in range(61)]

    assert [each["ok"] for each in answers] == [True] * 60 + [False]
    assert answers[-1]["error"]["code"] == "too_many"


def test_many_connects_and_disconnects_leave_nothing_behind(house: House) -> None:
    web = house.web()
    sessions = [house.session(house.person(None)) for _ in range(10)]
    before = web.state()

    for _ in range(5):
        for session in sessions:
            Page(web.url, session).close()

    wait_until(lambda: web.state()["sockets"] <= before["sockets"], 10, "the end of all")


def test_a_rate_counts_what_it_allowed_only() -> None:
    rate = Rate(2, 60)

    assert [rate.allows() for _ in range(3)] == [True, True, False]


def test_a_packet_with_attachments_is_none_of_ours() -> None:
    for text in ("51-[]", "21-[]", "9", "x"):
        with pytest.raises(ValueError):
            TextPacket(encoded_packet=text)


@pytest.mark.parametrize(
    ("origin", "public_url", "allowed"),
    [
        ("http://room.example", "", True),
        ("HTTP://ROOM.example", "", True),
        ("https://room.example", "", False),
        ("http://room.example:80", "", False),
        ("https://team.example", "https://team.example", True),
        ("http://team.example", "https://team.example", False),
        ("", "", False),
        ("null", "", False),
    ],
)
def test_the_origin_is_exact(origin: str, public_url: str, allowed: bool) -> None:
    environ = {"wsgi.url_scheme": "http", "HTTP_HOST": "room.example", "HTTP_ORIGIN": origin}

    assert origin_allowed(environ, public_url) is allowed


@pytest.mark.parametrize("hops", [0, 1])
def test_forwarded_words_count_for_websockets_as_for_pages(live: Live, app: Flask, hops: int) -> None:
    """A proxy may give another Host; what a client forwards by himself is not believed."""
    with app.app_context():
        _, secret = UserSession.start(factories.user(), "127.0.0.1", "pytest")
        db.session.commit()
        form = token_for(secret)
    live.start("web", TRUSTED_PROXIES=str(hops))
    live.wait_web()
    said = {"X-Forwarded-Host": "room.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    cookie = {"Cookie": f"tr_sid={secret}; __Host-tr_sid={secret}"}

    def opens(origin: str) -> bool:
        try:
            Wire(live.url, secret, origin, header=said).close()
        except WebSocketBadStatusException:
            return False
        return True

    def posts(origin: str) -> bool:
        headers = cookie | said | {"Origin": origin, "X-CSRF-Token": form}
        return httpx2.post(f"{live.url}/api/socket/ticket", headers=headers).status_code == 200

    own, proxys = live.url, "https://room.example"
    assert [ask(origin) for ask in (opens, posts) for origin in (own, proxys)] == [not hops, bool(hops)] * 2


@pytest.mark.parametrize("host", ["[", "a b", "x:y:z"])
def test_a_host_that_is_none_has_no_page_of_ours(host: str) -> None:
    environ = {"wsgi.url_scheme": "http", "HTTP_HOST": host, "HTTP_ORIGIN": f"http://{host}"}

    assert not origin_allowed(environ | {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80"})


def test_the_answer_to_a_bad_event_says_why(house: House) -> None:
    web = house.web()
    page = house.page(web, house.session(house.person(None)))

    page.send("425" + json.dumps(["subscribe", {"stream": 1, "since": "x", "more": []}]))

    error = page.answer(5)["error"]
    assert error["code"] == "invalid"
    assert set(error["fields"]) == {"stream", "since", "more"}
