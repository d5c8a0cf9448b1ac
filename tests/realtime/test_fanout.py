"""Fan-out: everybody gets everything in order, and nobody's slowness is another's."""

import socket
import struct
import subprocess
import sys

import pytest
from websocket import WebSocketException

from realtime.frames import frame, unmask
from scripts.programs import ROOT
from tests.realtime.conftest import House, Web
from tests.realtime.wire import Closed, Page
from tests.support.processes import wait_until

pytestmark = pytest.mark.databases("sqlite")
SMALL_WINDOW = ((socket.SOL_SOCKET, socket.SO_RCVBUF, 2048),)


def numbers(page: Page, count: int, timeout: float = 20) -> list[int]:
    return [page.wait("m", timeout)["i"] for _ in range(count)]


def slow_and_normal(house: House, web: Web) -> tuple[str, Page, Page]:
    project = house.project()
    stream = f"project:{project}"
    session = house.session(house.person(project))
    slow = house.page(web, session, stream, sockopt=SMALL_WINDOW)
    return stream, slow, house.page(web, session, stream)


def read_under_load(web: Web, stream: str, slow: Page) -> list[int] | None:
    """What a slow reader gets that is far behind and reads while more comes; None when it is garbage."""
    web.broadcast(stream, count=400, size=8000)  # more than the kernel keeps for it
    try:
        got = []
        for number in range(400, 450):
            got += numbers(slow, 4)
            web.broadcast(stream, size=8000, first=number)
        return got + numbers(slow, 250)
    except (Closed, ValueError, WebSocketException):
        return None


def test_a_slow_reader_and_a_normal_one_get_everything_in_order(house: House) -> None:
    web = house.web()
    stream, slow, normal = slow_and_normal(house, web)

    assert read_under_load(web, stream, slow) == list(range(450))
    assert numbers(normal, 450) == list(range(450))


def test_the_control_that_jumps_the_queue_loses_the_order(house: House) -> None:
    web = house.web(CONTROL="jump the queue")
    stream, slow, _ = slow_and_normal(house, web)

    assert read_under_load(web, stream, slow) != list(range(450))


def flood(web: Web, stream: str, normal: Page, rounds: int) -> int:
    """Send more than a stalled reader may have waiting; the most that waited, in bytes."""
    most = 0
    for first in range(0, rounds * 200, 200):
        web.broadcast(stream, count=200, size=8000, first=first)
        assert numbers(normal, 200) == list(range(first, first + 200))
        most = max(most, web.state()["waiting"])
    return most


def test_who_falls_too_far_behind_is_cut_off_and_the_others_notice_nothing(house: House) -> None:
    web = house.web()
    stream, slow, normal = slow_and_normal(house, web)

    most = flood(web, stream, normal, rounds=12)

    assert 0 < most < 9 << 20
    assert slow.wait_closed(20) < 20
    wait_until(lambda: web.state()["sockets"] == 1, 5)
    assert web.state()["waiting"] == 0


def test_the_control_keeps_everything_for_a_reader_that_does_not_read(house: House) -> None:
    web = house.web(CONTROL="keep everything")
    stream, slow, normal = slow_and_normal(house, web)

    most = flood(web, stream, normal, rounds=12)

    assert most > 9 << 20
    assert numbers(slow, 1) == [0]


def test_a_burst_to_a_healthy_reader_is_complete(house: House) -> None:
    web = house.web()
    stream, _, normal = slow_and_normal(house, web)

    web.broadcast(stream, count=2000, size=2000)

    assert numbers(normal, 2000) == list(range(2000))


@pytest.mark.parametrize(("control", "ordered"), [("", True), ("sort by stream", False)])
def test_what_one_page_hears_of_two_streams_comes_in_the_order_in_which_it_was_said(
    house: House, control: str, ordered: bool
) -> None:
    web = house.web(CONTROL=control)
    project = house.project()
    person = house.person(project)
    page = house.page(web, house.session(person), f"project:{project}", f"user:{person}")

    web.broadcast(f"project:{project}", f"user:{person}", count=300)

    assert (numbers(page, 600) == [number for number in range(300) for _ in "12"]) is ordered


def test_answers_and_broadcasts_to_a_slow_reader_do_not_mix(house: House) -> None:
    web = house.web()
    stream, slow, normal = slow_and_normal(house, web)

    web.broadcast(stream, count=200, size=8000)
    slow.send('427["unsubscribe",{"stream":"nothing"}]')
    web.broadcast(stream, count=100, size=8000, first=200)

    assert numbers(normal, 300) == list(range(300))
    assert slow.answer(7, 20) == {"ok": True}
    assert numbers(slow, 300) == list(range(300))


def test_a_reader_that_vanishes_is_forgotten(house: House) -> None:
    web = house.web()
    stream, slow, normal = slow_and_normal(house, web)

    slow.reset()
    web.broadcast(stream, count=10, size=8000)

    assert numbers(normal, 10) == list(range(10))
    wait_until(lambda: web.state()["sockets"] == 1, 5)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 100_000])
def test_a_frame_says_its_length(size: int) -> None:
    data = frame("x" * size)

    assert data[0] == 0x81
    assert data.endswith(b"x" * size)
    head = len(data) - size
    expected = {2: data[1], 4: struct.unpack_from("!H", data, 2)[0] if size > 125 else 0}
    expected[10] = struct.unpack_from("!Q", data, 2)[0] if head == 10 else 0
    assert expected[head] == size


@pytest.mark.parametrize("offset", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 1000])
def test_unmasking_turns_each_byte_by_its_place(size: int, offset: int) -> None:
    data, mask = bytes(range(250)) * 4, (1, 200, 37, 255)

    clear = bytes(byte ^ mask[(offset + place) % 4] for place, byte in enumerate(data[:size]))

    assert unmask(data[:size], mask, size, offset) == clear


LEAVES = """
import socket, sys
from eventlet.websocket import RFC6455WebSocket
from realtime.fanout import quiet

here, there = socket.socketpair()
asked = dict.fromkeys(("REMOTE_ADDR", "REMOTE_PORT", "SERVER_NAME", "SERVER_PORT", "PATH_INFO"), "")
ws = RFC6455WebSocket(here, asked | {"wsgi.errors": sys.stdout})
if sys.argv[1:]:
    quiet(ws)
there.close()
here.close()
ws.close()
"""


@pytest.mark.parametrize(("quietly", "told"), [(["quietly"], False), ([], True)])
def test_a_websocket_that_is_gone_already_is_closed_without_a_word(quietly: list[str], told: bool) -> None:
    command = [sys.executable, "-W", "ignore", "-c", LEAVES, *quietly]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert bool(done.stdout) is told
