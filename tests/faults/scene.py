"""A fault run: two web processes, insisting senders, readers that catch up, and something that goes wrong."""

import random
import socket
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from flask import Flask
from sqlalchemy import select

from models import Message, Project, Stream, User, UserSession, db, labs
from models.base import reading
from realtime import tickets
from tests.faults.history import Event, anomalies
from tests.faults.players import Player, Reader, Sender, said_in
from tests.support.databases import SECRET_KEY
from tests.support.live import Live
from tests.support.processes import free_port, wait_until
from webapp import csrf

T = TypeVar("T")


class Scene:
    def __init__(self, live: Live, app: Flask, senders: int = 3, readers: int = 3) -> None:
        self.live, self.app, self.chance = live, app, random.Random(7)
        self.ports = {"web": live.port, "web2": free_port()}
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports.values()]
        with app.app_context():
            self._furnish(senders, readers)
            db.engine.dispose()

    def _furnish(self, senders: int, readers: int) -> None:
        project = Project.create("oasis", "Oasis")
        labs.write(project.id, {"team_room": True})
        User.create("jonas@example.org", "Jonas", None).join(project, "member")
        self.stream, self.thread_id = f"project:{project.id}", project.room.id
        self.senders = [self._sender(project, number) for number in range(senders)]
        self.readers = [self._reader(project, number) for number in range(readers)]
        db.session.commit()
        # As pages do, whose first paint says where the stream was: before that the flags were switched.
        begin = db.session.scalar(select(Stream.head).where(Stream.name == self.stream))
        for reader in self.readers:
            reader.seq = begin or 0
        db.session.remove()

    def _session(self, project: Project, name: str) -> tuple[UUID, str]:
        user = User.create(f"{name}@example.org", name, None)
        user.join(project, "member")
        session, secret = UserSession.start(user, "127.0.0.1", "a fault test")
        db.session.flush()
        return session.id, secret

    def _sender(self, project: Project, number: int) -> Sender:
        _, secret = self._session(project, f"sender{number}")
        path = f"/api/threads/{self.thread_id}/messages"
        urls = self.urls[number % 2 :] + self.urls[: number % 2]
        return Sender(f"sender{number}", urls, path, secret, csrf.token_for(secret), "@jonas")

    def _reader(self, project: Project, number: int) -> Reader:
        session_id, secret = self._session(project, f"reader{number}")
        urls = self.urls[number % 2 :] + self.urls[: number % 2]
        ticket = lambda: tickets.issue(SECRET_KEY, session_id)  # noqa: E731
        return Reader(f"reader{number}", urls, self.stream, secret, ticket)

    @property
    def players(self) -> list[Player]:
        return [*self.senders, *self.readers]

    def start(self, kind: str = "web", **variables: str) -> None:
        """Start both web processes, and all players once they answer."""
        for name in self.ports:
            self.start_web(name, kind, **variables)
            variables = {}
        self.live.wait_web()
        for player in self.players:
            player.start()
        self.go_on(10)

    def start_web(self, name: str, kind: str = "web", **variables: str) -> None:
        self.live.start(name, kind, PORT=str(self.ports[name]), **variables)

    def listens(self, name: str) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.ports[name])) == 0

    def go_on(self, messages: int = 5) -> None:
        """Wait until so many more messages are acknowledged."""
        goal = self.acknowledged() + messages
        wait_until(lambda: self.acknowledged() >= goal or self.broken(), 60, f"{messages} more messages")

    def acknowledged(self) -> int:
        return sum(len(sender.events) for sender in self.senders)

    def broken(self) -> bool:
        return any(player._broken for player in self.players)

    def judge(self) -> list[str]:
        """End the run and say what was wrong with it."""
        for sender in self.senders:
            sender.stop()
        for sender in self.senders:
            sender.join()
        goal = self.read(
            lambda: db.session.scalar(select(Stream.head).where(Stream.name == self.stream)) or 0
        )
        for reader in self.readers:
            reader.goal = goal
        for reader in self.readers:
            reader.join()
        events: list[Event] = [event for player in self.players for event in player.events]
        return anomalies(events, self.read(self._log))

    def _log(self) -> list[tuple[int, str]]:
        rows = db.session.execute(
            select(Message.seq, Message.content)
            .where(Message.thread_id == self.thread_id, Message.author_kind == "person")
            .order_by(Message.seq)
        )
        return [(seq, said_in(content)) for seq, content in rows]

    def read(self, query: Callable[[], T]) -> T:
        with self.app.app_context(), reading():
            answer = query()
            db.session.remove()
        return answer
