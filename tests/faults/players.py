"""Clients of a fault run: senders who insist, and readers who catch up. They note what they saw."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
import websocket

from tests.faults.history import CaughtUp, Event, Receive, Send
from tests.realtime.wire import Closed, Wire

PAUSE = 0.02
PATIENCE = 3.0
GIVE_UP = 60.0


def said_in(content: str) -> str:
    """The id that a sender wrote at the end of its message."""
    return content.split()[-1]


@dataclass
class Player:
    """A thread that plays until `stop`; what it raises fails the test at `join`."""

    name: str
    events: list[Event] = field(default_factory=list, init=False)
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)
    _broken: BaseException | None = field(default=None, init=False)
    _thread: threading.Thread = field(init=False)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._guarded, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def join(self) -> None:
        self._thread.join(GIVE_UP + 10)
        assert not self._thread.is_alive(), f"{self.name} does not end"
        if self._broken is not None:
            raise self._broken

    def _guarded(self) -> None:
        try:
            self.play()
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's, at join
            self._broken = error

    def play(self) -> None:
        raise NotImplementedError


@dataclass
class Sender(Player):
    """Posts one message after the other, each until it is acknowledged, at whichever server answers."""

    urls: Sequence[str]
    path: str
    cookie: str
    csrf: str
    greeting: str

    def play(self) -> None:
        with httpx2.Client(timeout=PATIENCE, cookies={"tr_sid": self.cookie}) as client:
            for number in itertools.count(1):
                if self._stopping.is_set():
                    return
                self._insist(client, f"{self.name}-{number}")
                self._stopping.wait(PAUSE)

    def _insist(self, client: httpx2.Client, message_id: str) -> None:
        deadline = time.monotonic() + GIVE_UP
        for url in self._servers():
            began = time.monotonic()
            result, seq = self._try(client, url, message_id)
            self.events.append(Send(self.name, message_id, began, time.monotonic(), result, seq))  # type: ignore[arg-type]
            if result != "unknown":
                return
            assert time.monotonic() < deadline, f"{message_id} was not acknowledged in {GIVE_UP} s"
            time.sleep(PAUSE)

    def _servers(self) -> Iterator[str]:
        return itertools.cycle(self.urls)

    def _try(self, client: httpx2.Client, url: str, message_id: str) -> tuple[str, int | None]:
        said = {"content": f"{self.greeting} {message_id}", "client_id": message_id}
        try:
            answer = client.post(url + self.path, json=said, headers={"X-CSRF-Token": self.csrf})
        except httpx2.TransportError:
            return "unknown", None
        if answer.status_code in (200, 201):
            return "ok", int(answer.json()["seq"])
        assert answer.status_code in (502, 503), f"{answer.status_code} {answer.text[:300]}"
        return "unknown", None


@dataclass
class Reader(Player):
    """Follows a stream over websockets that break, from the seq it has reached."""

    urls: Sequence[str]
    stream: str
    cookie: str
    ticket: Callable[[], str]
    goal: int | None = field(default=None, init=False)
    """The stream's last seq, once the run is over: the reader ends when it is there."""
    seq: int = field(default=0, init=False)
    highest: int = field(default=0, init=False)
    _wire: Wire | None = field(default=None, init=False)

    def cut(self) -> None:
        """Let the connection vanish, as a bad network would."""
        if self._wire is not None:
            self._wire.reset()

    def play(self) -> None:
        deadline = None
        for url in itertools.cycle(self.urls):
            try:
                self._follow(url)
            except (Closed, OSError, websocket.WebSocketException):
                time.sleep(PAUSE)
            if self.goal is not None:
                deadline = deadline or time.monotonic() + GIVE_UP
                if self.seq >= self.goal:
                    self.events.append(CaughtUp(self.name, self.highest))
                    return
                assert time.monotonic() < deadline, f"{self.name} is at {self.seq}, not at {self.goal}"

    def _follow(self, url: str) -> None:
        wire = self._wire = Wire(url, self.cookie)
        wire.connect(self.ticket())
        self._subscribe(wire)
        while self.goal is None or self.seq < self.goal:
            try:
                packet = wire.wait("changes", 1)
            except websocket.WebSocketTimeoutException:
                continue
            if packet["stream"] != self.stream or packet["to"] <= self.seq:
                continue
            if packet["from"] > self.seq:
                self._subscribe(wire)
            else:
                self._apply(packet["items"], packet["to"])
        wire.close()

    def _subscribe(self, wire: Wire) -> None:
        more = True
        while more:
            answer = wire.ask("subscribe", {"stream": self.stream, "since": self.seq})
            assert answer["ok"], answer
            assert not answer["reset"], "a reader was told to begin anew"
            self._apply(answer["items"], answer["seq"])
            more = answer["more"]

    def _apply(self, items: list[dict[str, Any]], to: int) -> None:
        for item in items:
            row = item["row"]
            if item["table"] == "project_chat_messages" and item["op"] == "insert" and item["seq"] > self.seq:
                self.events.append(Receive(self.name, said_in(row["content"]), row["seq"]))
                self.highest = max(self.highest, row["seq"])
        self.seq = max(self.seq, to)
