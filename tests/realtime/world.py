"""A project with people, agents and a DM, a pump, and a screen that follows streams as a page does."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import event

from models import Agent, BrainDoc, Draft, Message, Project, Proposal, Thread, User, UserSession, db, labs
from models.posting import post
from models.wish import Wish
from realtime import streams
from realtime.pump import Pump
from realtime.registry import PUBLISHED
from realtime.rows import snapshot

Packet = dict[str, Any]


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements that the database is given meanwhile."""
    run: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        run.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield run
    event.remove(db.engine, "before_cursor_execute", note)


class Screen:
    """What one page shows: the rows of the streams it follows, and their partials by element."""

    def __init__(self, names: Iterable[str]) -> None:
        self.seqs = dict.fromkeys(names, 0)
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        self.html: dict[str, str] = {}
        self.behind: set[str] = set()

    def load(self) -> "Screen":
        """The first paint: everything, read and rendered now."""
        with snapshot():
            self.seqs = streams.heads(self.seqs)
            for published in PUBLISHED.values():
                ids = list(db.session.scalars(db.select(published.model.id)))
                for row in published.load(ids):
                    if set(published.streams(row)) & set(self.seqs):
                        self._show(published.table, published.row(row), published.html(row))
        return self

    def receive(self, packet: Packet) -> None:
        """A packet of the pump; one that begins later than what we have says that we are behind."""
        name = packet["stream"]
        if name not in self.seqs:
            return
        if packet["from"] > self.seqs[name]:
            self.behind.add(name)
        else:
            self._apply(name, packet["items"], packet["to"])

    def ask(self) -> None:
        """Catch up on every stream that is behind, as often as there is more."""
        while self.behind:
            name = self.behind.pop()
            answer = streams.catch_up(name, self.seqs[name])
            if answer["reset"]:
                self.rows.clear()
                self.html.clear()
                self.behind.clear()
                self.load()
                return
            self._apply(name, answer["items"], answer["seq"])
            if answer["more"]:
                self.behind.add(name)

    def _apply(self, name: str, items: list[dict[str, Any]], to: int) -> None:
        for item in items:
            if item["seq"] > self.seqs[name]:
                self._change(item)
        self.seqs[name] = max(self.seqs[name], to)

    def _change(self, item: dict[str, Any]) -> None:
        if item["op"] == "delete":
            self.rows.pop((item["table"], item["id"]), None)
        else:
            self._show(item["table"], item["row"], item.get("html"))

    def _show(self, table: str, row: dict[str, Any], html: str | None) -> None:
        quiet = PUBLISHED[table].quiet
        self.rows[table, row["id"]] = {name: value for name, value in row.items() if name not in quiet}
        if html is not None:
            element = re.search(r'<(?:article|section|li)[^>]* id="([^"]+)"', html)
            assert element, html
            self.html[element[1]] = html

    def differs_from(self, other: "Screen") -> list[str]:
        """What is not the same on both, named; the positions too."""
        parts = ((self.seqs, other.seqs), (self.rows, other.rows), (self.html, other.html))
        return [
            f"{key}: {ours.get(key)!r} is not {theirs.get(key)!r}"
            for ours, theirs in parts
            for key in {**ours, **theirs}
            if ours.get(key) != theirs.get(key)  # type: ignore[call-overload]
        ]


@dataclass
class World:
    app: Flask
    project: Project
    mara: User
    jonas: User
    room: Thread
    dm: Thread
    packets: list[Packet] = field(default_factory=list)
    screens: list[Screen] = field(default_factory=list)
    ids: Any = field(default_factory=lambda: count(1))

    @classmethod
    def make(cls, app: Flask) -> "World":
        project = Project.create("oasis", "Oasis")
        labs.write(project.id, dict.fromkeys({*labs.BUILT, *labs.OF_TABLE.values()}, True))
        mara = User.create("mara@example.org", "Mara Lindqvist", None)
        jonas = User.create("jonas@example.org", "Jonas Weber", None)
        mara.join(project, "owner")
        jonas.join(project, "member")
        for key in ("trunks", "bulma", "krillin"):
            Agent.provision(project.id, key, key.title())
        dm = Thread(project_id=project.id, title="DM:trunks", kind="dm", owner_user_id=mara.id)
        db.session.add(dm)
        db.session.commit()
        return cls(app, project, mara, jonas, project.room, dm)

    @property
    def streams(self) -> list[str]:
        people = [f"user:{self.mara.id}", f"user:{self.jonas.id}"]
        return [f"project:{self.project.id}", f"admin:{self.project.id}", *people]

    def say(self, text: str, by: User | None = None, thread: Thread | None = None, **more: Any) -> Message:
        """Post as a person would, each time with an id of its own."""
        draft = Draft.of((by or self.mara).id, text, f"said-{next(self.ids)}", **more)
        return post(thread or self.room, draft)

    def propose(self, thread: Thread | None = None, **params: Any) -> Proposal:
        """A proposal of Trunks, to create a task unless told otherwise."""
        task = {"title": "Look at the disk", "description": "", "assignee_agent_key": None}
        action_type = params.pop("action_type", "create_task")
        wish = Wish.of("trunks", action_type, params or task, "because", f"wish-{next(self.ids)}")
        return Proposal.make(thread or self.room, wish)

    def write(self, content: str, doc_type: str = "manners") -> BrainDoc:
        """A version of a document of the whole project, by Mara."""
        before = BrainDoc.find(self.project.id, "project", doc_type)
        base = before.digest if before else None
        return BrainDoc.write(
            self.project.id, "project", doc_type, content, base_digest=base, by_user=self.mara.id
        )

    def session(self, who: User | None = None) -> UUID:
        """A session of this person, who signed in just now."""
        session, _ = UserSession.start(who or self.mara, "127.0.0.1", "pytest")
        db.session.flush()
        return session.id

    def approved(self) -> Proposal:
        proposal = self.propose()
        proposal.approve(self.session(), proposal.digest)
        return proposal

    def pump(self, joined: Callable[[], Iterable[str]] | None = None) -> Pump:
        """A pump whose packets reach every screen; its thread is not started."""
        return Pump(self.app, self.emit, joined or (lambda: self.streams))

    def emit(self, event: str, payload: Packet, stream: str) -> None:
        assert event == "changes"
        assert payload["stream"] == stream
        self.packets.append(payload)
        for screen in tuple(self.screens):
            screen.receive(payload)

    def screen(self, *names: str) -> Screen:
        """A page that was loaded now and receives what the pump sends."""
        screen = Screen(names or self.streams).load()
        self.screens.append(screen)
        return screen
