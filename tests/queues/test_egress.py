"""The one door outwards: listed servers only, at the very address that was checked, within bounds."""

import gzip
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpcore2
import httpx2
import pytest

from queues.egress import HEADERS, LARGEST, Answer, Egress, NotSent, Request, Unanswered, is_public, look_up
from tests.support.foreign import INSIDE, PUBLIC, Foreign, certificate, egress, ok

NAME = "api.example.test"


def ask(
    server: Foreign, by: Egress | None = None, method: str = "GET", path: str = "/", scheme: str = "http",
    seconds: float = 5, body: bytes | None = None, **headers: str,
) -> Answer:  # fmt: skip
    origin = f"{scheme}://{NAME}:{server.port}"
    return (by or egress()).ask(Request(method, origin + path, headers, body, seconds), {origin})


@pytest.fixture
def inside() -> Iterator[Foreign]:
    """A server that nothing may reach."""
    with Foreign(host=INSIDE) as server:
        yield server
        assert server.accepted == 0


# What is asked, and of whom.


def test_a_listed_server_is_asked_once_and_answers() -> None:
    with Foreign(ok(b"hello", b"X-One: 1\r\n")) as server:
        answer = ask(server, method="POST", path="/a?b=1", body=b"{}", Accept="text/plain")

    assert (answer.status, answer.body, answer.whole) == (200, b"hello", True)
    assert answer.headers["x-one"] == "1"
    [request] = server.requests
    assert request.startswith(b"POST /a?b=1 HTTP/1.1\r\n")
    assert f"Host: {NAME}:{server.port}".encode() in request
    assert b"Accept: text/plain" in request
    assert request.endswith(b"\r\n\r\n{}")


def test_a_server_that_is_not_listed_is_not_even_looked_up(inside: Foreign) -> None:
    def resolve(host: str, port: int, seconds: float) -> Sequence[str]:
        raise AssertionError("looked up")

    for listed in ((), {"http://other.example.test"}, {f"https://{NAME}:{inside.port}"}, {f"http://{NAME}"}):
        with pytest.raises(NotSent, match="not on the list"):
            Egress(resolve=resolve).ask(Request("GET", f"http://{NAME}:{inside.port}/"), listed)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1\\@{}/", "http://{}@127.0.0.1/", "http://{}#@127.0.0.1/", "http://①②⑦.⓪.⓪.①/",
     "http://127.1/", "http://0x7f.0.0.1/", "http://2130706433/", "http://[::1]/", "http://{}\t/", "file:///etc/passwd",
     "http://{}:8０/", "gopher://{}/"],
)  # fmt: skip
def test_an_address_that_programs_read_differently_is_refused_here_too(url: str) -> None:
    """T-SS2: whatever was approved, and whatever is listed."""
    written = url.replace("{}", NAME)

    with pytest.raises(NotSent, match="address"):
        egress().ask(Request("GET", written), {written, f"http://{NAME}", "http://127.0.0.1"})


# Where it leads (T-SS3, T-SS5).

NOWHERE = [
    "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "100.100.100.200", "0.0.0.0", "0.1.2.3", "192.0.0.1", "192.0.0.9", "192.0.0.192",
    "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255", "168.63.129.16",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254", "::ffff:8.8.8.8",
    "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1",
    "2002:7f00:1::", "2002:a9fe:a9fe::", "2001::1", "2001:0:7f00:1::", "2001:10::1", "2001:20::1",
    "2001:db8::1", "3fff::1", "100::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1",
    "fe80::1%eth0", "fec0::1", "ff02::1", "4000::1",
]  # fmt: skip
SOMEWHERE = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e"]


@pytest.mark.parametrize("text", NOWHERE)
def test_an_address_inside_in_any_writing_is_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


def test_pythons_own_word_would_let_many_of_them_pass() -> None:
    """The control: what `is_global` alone would ask."""
    let_in = [text for text in NOWHERE if ipaddress.ip_address(text).is_global]

    assert {"192.88.99.1", "224.0.0.1", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "::127.0.0.1"} <= {*let_in}


@pytest.mark.parametrize("text", SOMEWHERE)
def test_an_address_of_the_internet_is(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "addresses", [[INSIDE], [PUBLIC, INSIDE], ["::ffff:127.0.0.1"], ["::1", PUBLIC]], ids=str
)
def test_a_name_of_which_one_address_is_inside_is_not_asked(inside: Foreign, addresses: list[str]) -> None:
    with pytest.raises(NotSent, match="not a public address"):
        ask(inside, egress(addresses))


class Rebinding:
    """A resolver that tells whoever checks what he likes to hear, and whoever connects something else."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, host: str, port: int, seconds: float) -> Sequence[str]:
        self.asked += 1
        return [PUBLIC] if self.asked == 1 else [INSIDE]


def test_what_is_connected_to_is_what_was_checked() -> None:
    """T-SS5."""
    resolver = Rebinding()
    with Foreign(ok(b"outside")) as server, Foreign(ok(b"inside"), host=INSIDE, port=server.port) as inside:
        answer = ask(server, egress(resolve=resolver))

    assert answer.body == b"outside"
    assert (resolver.asked, inside.accepted) == (1, 0)


def test_to_check_and_then_look_up_again_leads_inside() -> None:
    """The control: the same resolver against a client that checks first and connects by name."""
    resolver = Rebinding()
    with Foreign(ok(b"outside")) as server, Foreign(ok(b"inside"), host=INSIDE, port=server.port) as inside:
        by = egress(resolve=resolver)
        by.checked(NAME, server.port, 1)
        [address] = resolver(NAME, server.port, 1)
        body = httpcore2.request("GET", f"http://{address}:{server.port}/").content

    assert (body, inside.accepted) == (b"inside", 1)


def test_the_operator_can_allow_a_server_inside_and_no_other_port_of_it() -> None:
    with Foreign(host=INSIDE) as server, Foreign(host=INSIDE) as other:
        by = egress([INSIDE], internal={f"{NAME}:{server.port}"})
        assert ask(server, by).status == 200
        with pytest.raises(NotSent, match="not a public address"):
            ask(other, by)

    assert other.accepted == 0


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(10))
    began = time.monotonic()

    with pytest.raises(NotSent, match="not found in time"):
        look_up(NAME, 443, 0.1)
    assert time.monotonic() - began < 2
    answered.set()


def test_a_name_that_is_not_there_is_said() -> None:
    with pytest.raises(NotSent, match="not found"):
        look_up("nothing.invalid", 443, 10)


# No detours (T-SS1).


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_not_followed(inside: Foreign, status: int) -> None:
    there = f"http://{INSIDE}:{inside.port}/"
    with Foreign(
        f"HTTP/1.1 {status} Moved\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n".encode()
    ) as server:
        answer = ask(server)

    assert (answer.status, answer.headers["location"], server.accepted) == (status, there, 1)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Foreign]:
    with Foreign(ok(b"proxy"), host=INSIDE) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://{INSIDE}:{server.port}")
        yield server


def test_a_proxy_of_the_environment_is_not_used(proxy: Foreign) -> None:
    with Foreign(ok(b"direct")) as server:
        assert ask(server).body == b"direct"

    assert proxy.accepted == 0


def test_another_client_would_use_it(proxy: Foreign) -> None:
    """The control."""
    with Foreign(ok(b"direct")) as server:
        assert httpx2.get(f"http://{PUBLIC}:{server.port}/").content == b"proxy"


# Encryption.


def test_the_certificate_must_be_that_of_the_name(tmp_path: Path) -> None:
    asked: list[str | None] = []
    tls, trust = certificate(NAME, tmp_path)
    tls.sni_callback = lambda connection, name, context: asked.append(name)
    with Foreign(tls=tls) as server:
        assert ask(server, egress(tls=trust), scheme="https").status == 200

    assert asked == [NAME]


@pytest.mark.parametrize("name", ["other.example.test", PUBLIC])
def test_a_certificate_of_another_name_or_of_the_address_alone_is_refused(tmp_path: Path, name: str) -> None:
    tls, trust = certificate(name, tmp_path)
    with Foreign(tls=tls) as server, pytest.raises(NotSent, match="certificate"):
        ask(server, egress(tls=trust), scheme="https")

    assert server.requests == []


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    tls, _ = certificate(NAME, tmp_path)
    with Foreign(tls=tls) as server, pytest.raises(NotSent, match="certificate"):
        ask(server, scheme="https")

    assert server.requests == []


# Whether it may have happened.


def test_nothing_left_when_nobody_listens() -> None:
    with Foreign() as server:
        pass

    with pytest.raises(NotSent):
        ask(server)


def test_it_may_have_happened_when_no_answer_came() -> None:
    with Foreign(b"") as server, pytest.raises(Unanswered):
        ask(server, method="POST", body=b"{}")

    assert len(server.requests) == 1


def test_a_body_that_breaks_off_is_told_with_its_status() -> None:
    with Foreign(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nhalf") as server:
        answer = ask(server)

    assert (answer.status, answer.body, answer.whole) == (201, b"half", False)


def test_a_header_that_cannot_be_sent_is_not_quoted() -> None:
    with Foreign() as server, pytest.raises(NotSent) as error:
        ask(server, Authorization="s3cret\nX: y")

    assert "s3cret" not in str(error.value)


def test_what_it_carries_is_not_printed() -> None:
    request = Request("GET", "https://a.example/", {"Authorization": "s3cret"}, b"s3cret")

    assert "s3cret" not in repr(request)


# Bounds.


def slowly(connection: socket.socket) -> None:
    """A byte now and then, for a second and a half: never so late that one read would end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(30):
        time.sleep(0.05)
        connection.sendall(b"X")


def test_a_server_that_answers_drop_by_drop_is_left() -> None:
    with Foreign(slowly) as server:
        began = time.monotonic()
        with pytest.raises(Unanswered, match="in time"):
            ask(server, seconds=0.4)
        assert time.monotonic() - began < 1.2


def test_a_limit_on_each_read_would_not_end_it() -> None:
    """The control: the library's own time-outs."""
    with Foreign(slowly) as server, pytest.raises(httpcore2.ProtocolError):
        httpcore2.request(
            "GET",
            f"http://{PUBLIC}:{server.port}/",
            extensions={"timeout": {"connect": 0.4, "read": 0.4, "write": 0.4}},
        )


def test_only_the_beginning_of_an_endless_body_is_read() -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65_536)

    with Foreign(endless) as server:
        answer = ask(server)

    assert (len(answer.body), answer.whole) == (LARGEST, False)


@pytest.mark.parametrize(
    "line", [b"X-A: " + b"x" * 50 + b"\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["headers", "1xx"]
)
def test_endless_headers_are_left(line: bytes) -> None:
    sent = 0

    def endless(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\n" if line.startswith(b"X") else b"")
        while sent < 100 * HEADERS:
            connection.sendall(line * 100)
            sent += len(line) * 100

    with Foreign(endless) as server, pytest.raises(Unanswered):
        ask(server)

    assert sent < 100 * HEADERS


def test_nothing_is_unpacked() -> None:
    packed = gzip.compress(b"0" * 50_000_000)
    with Foreign(ok(packed, b"Content-Encoding: gzip\r\n")) as server:
        answer = ask(server)

    assert answer.body == packed
    assert b"Accept-Encoding: identity" in server.requests[0]


def test_another_client_would_unpack_it() -> None:
    """The control."""
    packed = gzip.compress(b"0" * 50_000_000)
    with Foreign(ok(packed, b"Content-Encoding: gzip\r\n")) as server:
        assert len(httpx2.get(f"http://{PUBLIC}:{server.port}/", trust_env=False).content) == 50_000_000
