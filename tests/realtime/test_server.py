"""The server: rights withdrawn, processes joined, and the end."""

import resource
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from models.authz import AuthzEpoch
from models.base import db, utcnow
from models.labs import write as write_labs
from models.project import Project
from models.session import IDLE, UserSession
from models.user import Membership, User
from realtime.bus import Bus
from tests.realtime.conftest import House, Web
from tests.realtime.wire import Page
from tests.support.processes import wait_until

sqlite_only = pytest.mark.databases("sqlite")
WITHIN = 1.3
"""A second, and what a busy machine that runs tests may add."""


class Scene:
    """Two processes and a project; people with three pages each, and somebody who must not notice."""

    def __init__(self, house: House, **variables: str) -> None:
        self.house = house
        self.webs = [house.web(**variables), house.web(**variables)]
        self.project = house.project()
        self.stream = f"project:{self.project}"
        house.person(self.project, "owner", "Olga")
        self.neighbour_id = house.person(self.project)
        self.neighbour = house.page(self.webs[0], house.session(self.neighbour_id), self.stream)
        self.enter()

    def enter(self) -> None:
        """A person comes, with two pages at one process and one at the other."""
        self.person = self.house.person(self.project, "owner")
        self.session = self.house.session(self.person)
        self.pages = [self.page(web) for web in (self.webs[0], *self.webs)]

    def page(self, web: Web) -> Page:
        streams = (self.stream, f"admin:{self.project}", f"user:{self.person}")
        return self.house.page(web, self.session, *streams)

    def seconds_until_all_are_closed(self) -> float:
        began = time.monotonic()
        for page in self.pages:
            page.wait_closed(5)
        return time.monotonic() - began


def demote(scene: Scene) -> None:
    membership = Membership.of(scene.project, scene.person)
    assert membership
    membership.change_role("member")


def remove(scene: Scene) -> None:
    membership = Membership.of(scene.project, scene.person)
    assert membership
    membership.end()


def deactivate(scene: Scene) -> None:
    db.session.get_one(User, scene.person).deactivated_at = utcnow()


def sign_out(scene: Scene) -> None:
    db.session.get_one(UserSession, scene.session[0]).revoke()


WITHDRAWALS: list[Callable[[Scene], None]] = [demote, remove, deactivate, sign_out]


def test_a_right_withdrawn_is_gone_within_a_second_in_every_process(house: House) -> None:
    scene = Scene(house)
    for withdraw in WITHDRAWALS:
        scene.enter()

        with house.inside():
            withdraw(scene)

        assert scene.seconds_until_all_are_closed() <= WITHIN, withdraw
    scene.webs[0].broadcast(scene.stream)
    assert scene.neighbour.wait("m") == {"i": 0, "d": "x" * 10}


@sqlite_only
def test_the_control_that_never_looks_again_goes_on_telling_what_it_must_not(house: House) -> None:
    scene = Scene(house, CONTROL="trust for ever")

    with house.inside():
        remove(scene)
    wait_until(lambda: epoch(house) > 0, 5)
    with pytest.raises(Exception, match="timed out"):
        scene.pages[0].wait_closed(2)
    scene.webs[0].broadcast(scene.stream)

    assert scene.pages[0].wait("m")


def epoch(house: House) -> int:
    with house.inside():
        return AuthzEpoch.current()


@sqlite_only
def test_rights_are_withdrawn_with_redis_dead_or_hung_too(house: House) -> None:
    scene = Scene(house)
    house.redis.pause()

    with house.inside():
        demote(scene)

    assert scene.seconds_until_all_are_closed() <= WITHIN
    house.redis.resume()


@sqlite_only
def test_a_page_that_lost_one_right_comes_back_with_the_others(house: House) -> None:
    scene = Scene(house)

    with house.inside():
        demote(scene)
    scene.pages[0].wait_closed(5)
    page = house.page(scene.webs[0], scene.session)

    assert page.ask("subscribe", {"stream": scene.stream, "since": 0})["ok"]
    refused = page.ask("subscribe", {"stream": f"admin:{scene.project}", "since": 0})
    assert refused["error"]["code"] == "not_found"


@sqlite_only
def test_a_session_that_runs_out_is_closed_without_anybody_changing_anything(house: House) -> None:
    web, person = house.web(), house.person(None)
    session = house.session(person)
    with house.inside():
        db.session.get_one(UserSession, session[0]).seen_at = utcnow() - IDLE + timedelta(seconds=3)
    page = house.page(web, session)

    assert 0.5 < page.wait_closed(8) < 5


def test_a_signed_out_page_is_refused_at_its_next_event_at_once(house: House) -> None:
    """Nothing is remembered from the connect: the row is read at every event."""
    scene = Scene(house, CONTROL="trust for ever")

    with house.inside():
        sign_out(scene)

    scene.pages[0].send(f'428["unsubscribe",{{"stream":"{scene.stream}"}}]')
    assert scene.pages[0].wait_closed(5) < 1


@sqlite_only
def test_processes_are_joined_by_redis_and_go_on_without_it(house: House) -> None:
    scene = Scene(house)
    room = room_of(house, scene.project)
    typist, reader = scene.pages[0], scene.pages[2]  # at two processes

    typist.ask("typing", {"thread_id": room})
    assert reader.wait("typing") == {
        "stream": scene.stream, "thread_id": room, "user_id": str(scene.person),
    }  # fmt: skip
    house.redis.kill()

    assert typist.ask("typing", {"thread_id": room})["ok"]
    assert scene.neighbour.wait("typing")["thread_id"] == room  # at the same process
    house.redis.start()
    wait_until(lambda: typed(typist, reader, room), 10, "typing to pass again", pause=0.6)


def typed(typist: Page, reader: Page, room: str) -> bool:
    typist.ask("typing", {"thread_id": room})
    reader.ask("unsubscribe", {"stream": "x"})
    return any(name == "typing" for name, _ in reader.events)


def room_of(house: House, project_id: UUID) -> str:
    with house.inside():
        write_labs(project_id, {"team_room": True})
        return str(db.session.get_one(Project, project_id).room.id)


class Writing:
    """Somebody who follows his own stream, and pieces of an answer in a conversation of his."""

    def __init__(self, house: House, **variables: str) -> None:
        self.house, self.web, self.project = house, house.web(**variables), house.project()
        person = house.person(self.project, "owner")
        house.person(self.project, "owner")
        self.stream = f"user:{person}"
        self.page = house.page(self.web, house.session(person), self.stream)
        self.bus = Bus(house.redis.url, "tests")
        self.said = 0

    def hears(self) -> bool:
        """Say a piece; whether it is heard, before what is said to the page afterwards."""
        self.said += 1
        piece = {"stream": self.stream, "project_id": str(self.project), "offset": self.said}
        self.bus.publish("delta", piece)
        time.sleep(0.05)  # by another thread of another process: nothing says that it was dropped
        self.page.ask("unsubscribe", {"stream": "x"})
        return any(payload.get("offset") == self.said for _, payload in self.page.events)


@pytest.mark.parametrize("close", ["flag", "membership"])
def test_the_pieces_of_an_answer_stop_with_the_conversation(house: House, close: str) -> None:
    writing = Writing(house)
    wait_until(writing.hears, 5)

    with house.inside():
        close_conversation(writing, close)
    began = time.monotonic()
    wait_until(lambda: not writing.hears(), WITHIN)

    assert time.monotonic() - began < WITHIN
    assert not any(writing.hears() for _ in range(5))


@sqlite_only
def test_the_control_that_leaves_doors_open_goes_on_telling(house: House) -> None:
    writing = Writing(house, CONTROL="leave doors open")
    wait_until(writing.hears, 5)

    with house.inside():
        close_conversation(writing, "flag")
    time.sleep(WITHIN)

    assert writing.hears()


def close_conversation(writing: Writing, how: str) -> None:
    if how == "flag":
        write_labs(writing.project, {"dms": False})
        return
    membership = Membership.of(writing.project, UUID(writing.stream.removeprefix("user:")))
    assert membership
    membership.end()


@sqlite_only
def test_presence_is_one_truth_in_all_processes_and_ends_with_them(house: House) -> None:
    scene = Scene(house)
    late = house.person(scene.project)
    everybody = sorted({str(scene.person), str(late), str(scene.neighbour_id)})

    page = house.page(scene.webs[1], house.session(late), scene.stream)

    for each in (page, scene.neighbour, scene.pages[2]):
        while each.wait("presence", 15)["online"] != everybody:
            pass
    scene.webs[1].stop()
    remaining = sorted({str(scene.person), str(scene.neighbour_id)})
    while scene.neighbour.wait("presence", 15)["online"] != remaining:
        pass


def test_sigterm_under_load_finishes_what_was_begun_says_goodbye_and_exits_0(house: House) -> None:
    scene = Scene(house)
    web = scene.webs[0]
    answers: list[str] = []
    ask = {"seconds": "1.5", "stream": scene.stream}
    slow = threading.Thread(
        target=lambda: answers.append(httpx2.get(f"{web.url}/slow", params=ask, timeout=20).text)
    )
    flood = threading.Thread(target=lambda: broadcast_until_refused(web, scene.stream))
    slow.start()
    flood.start()
    scene.pages[0].wait("begun")

    began = time.monotonic()
    code = web.stop()
    took = time.monotonic() - began

    slow.join()
    flood.join()
    assert (code, answers) == (0, ["finished"])
    assert took < 5
    assert scene.pages[0].wait("server_bye")["retry_ms"] > 0
    scene.pages[0].wait_closed(1)
    assert "Traceback" not in web.log


def broadcast_until_refused(web: Web, stream: str) -> None:
    try:
        while True:
            web.broadcast(stream, count=20, size=500)
    except httpx2.HTTPError:
        return


@sqlite_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_process_stops_at_once(house: House, number: int) -> None:
    web = house.web()

    began = time.monotonic()
    web.signal(number)

    assert web._wait(5) == 0
    assert time.monotonic() - began < 2


@sqlite_only
def test_half_open_requests_end_while_long_polls_and_silent_websockets_live(house: House) -> None:
    web = house.web(CONTROL="hurry")
    project = house.project()
    page = house.page(web, house.session(house.person(project)), f"project:{project}")
    silent, trickling = (socket.create_connection(("127.0.0.1", web.port)) for _ in range(2))
    ask = {"seconds": "3", "stream": "none"}

    with silent, trickling, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(httpx2.get, f"{web.url}/slow", params=ask, timeout=20)
        trickling.sendall(b"GET /readyz HTTP/1.1\r\n")
        assert seconds_until_closed(trickling, trickle=b"X-A: b\r\n") < 3
        assert seconds_until_closed(silent) < 3
        assert waiting.result().text == "finished"

    web.broadcast(f"project:{project}")
    assert page.wait("m")


def seconds_until_closed(connection: socket.socket, trickle: bytes = b"") -> float:
    began = time.monotonic()
    connection.settimeout(0.2)
    while time.monotonic() < began + 10:
        try:
            connection.sendall(trickle)
            if connection.recv(100) == b"":
                break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    return time.monotonic() - began


@sqlite_only
def test_without_file_descriptors_it_waits_for_better_times(house: House) -> None:
    web = house.web()
    page = house.page(web, house.session(house.person(None)))
    open_files = len(list(Path(f"/proc/{web.pid}/fd").iterdir()))
    before = resource.prlimit(web.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(web.pid, resource.RLIMIT_NOFILE, (open_files + 1, before[1]))

    crowd = [socket.create_connection(("127.0.0.1", web.port)) for _ in range(10)]
    wait_until(lambda: "no connection can be accepted" in web.log, 5)
    assert page.ask("unsubscribe", {"stream": "x"})["ok"]
    for each in crowd:
        each.close()
    resource.prlimit(web.pid, resource.RLIMIT_NOFILE, before)

    assert httpx2.get(f"{web.url}/readyz", timeout=5).text == "yes"


@sqlite_only
def test_a_second_copy_on_the_same_port_does_not_start(house: House) -> None:
    web = house.web()
    copy = Web("copy", house.database, house.folder, PORT=str(web.port))
    house.webs.append(copy)

    copy.start()

    assert copy._wait(20) != 0
    assert "Address already in use" in copy.log
