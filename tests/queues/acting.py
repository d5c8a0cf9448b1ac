"""People who decide, workers that carry it out, and a world in which effects are counted."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models import Approval, Proposal, Run, Thread, User, UserSession, db
from models.base import changed_rows, db_now, reading
from models.wish import Wish
from queues.actions.worker import worker_of
from queues.sweeper import Sweeper
from tests.queues.crew import Crew
from tests.queues.in_thread import InThread
from tests.support.processes import wait_until

TASK = {"title": "Look at the disk", "description": "It is **full**.", "assignee_agent_key": "bulma"}
_numbers = count(1)


class World:
    """A server on the loopback, which remembers who asked it for what."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        world = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                world.keys.append(self.headers["Idempotency-Key"])
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *args: Any) -> None:
                """Not shown."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/effect"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def effects(self) -> int:
        return len(self.keys)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Office:
    """Trunks proposes, Mara decides. What is read is read in a session of its own."""

    crew: Crew
    world: World
    workers: list[threading.Thread] = field(default_factory=list)

    def sign_in(self, who: User | None = None) -> UUID:
        session, _ = UserSession.start(who or self.crew.mara, "127.0.0.1", "pytest")
        db.session.commit()
        return session.id

    def propose(self, action_type: str = "create_task", thread: Thread | None = None, **params: Any) -> UUID:
        default = {"create_task": TASK, "api_call": {"url": self.world.url, "method": "GET"}}
        given = params or default[action_type]
        wish = Wish.of("trunks", action_type, given, "because it is full", f"w{next(_numbers)}")
        proposal = Proposal.make(thread or self.crew.project.room, wish)
        db.session.commit()
        return proposal.id

    def approve(self, proposal_id: UUID) -> UUID:
        """The id of the run."""
        proposal = db.session.get_one(Proposal, proposal_id, populate_existing=True)
        name = proposal.action.object_name
        approval = proposal.approve(self.sign_in(), proposal.digest, name)
        db.session.commit()
        return self.run_of(approval.id)

    def approved(self, action_type: str = "create_task", **params: Any) -> tuple[UUID, UUID]:
        """A proposal and the run that waits to carry it out."""
        proposal_id = self.propose(action_type, **params)
        return proposal_id, self.approve(proposal_id)

    def decide(self, verb: str, proposal_id: UUID, *more: Any) -> None:
        """A verb with the digest that stands, as Mara."""
        proposal = db.session.get_one(Proposal, proposal_id, populate_existing=True)
        getattr(proposal, verb)(self.sign_in(), proposal.digest, *more)
        db.session.commit()

    def read(self, question: Callable[[Session], Any]) -> Any:
        with reading(), Session(db.engine) as session:
            return question(session)

    def run_of(self, approval_id: UUID) -> UUID:
        found: UUID = self.read(lambda s: s.scalar(select(Run.id).where(Run.approval_id == approval_id)))
        return found

    def proposal(self, proposal_id: UUID) -> Proposal:
        found: Proposal = self.read(lambda s: s.get_one(Proposal, proposal_id))
        return found

    def run(self, run_id: UUID) -> Run:
        found: Run = self.read(lambda s: s.get_one(Run, run_id))
        return found

    def approval_of(self, run_id: UUID) -> Approval:
        query = select(Approval).join(Run, Run.approval_id == Approval.id).where(Run.id == run_id)
        found: Approval = self.read(lambda s: s.scalars(query).one())
        return found

    def states(self, proposal_id: UUID) -> tuple[str, list[str]]:
        """The proposal's status, and those of its runs in order."""
        runs = select(Run.status).join(Approval, Approval.id == Run.approval_id)
        runs = runs.where(Approval.subject_id == proposal_id).order_by(Run.created_at)
        return self.proposal(proposal_id).status, self.read(lambda s: list(s.scalars(runs)))

    def wait(self, proposal_id: UUID, *states: str, timeout: float = 15) -> Proposal:
        wanted = states or ("executed",)
        wait_until(lambda: self.proposal(proposal_id).status in wanted, timeout, " or ".join(wanted))
        return self.proposal(proposal_id)

    def wait_run(self, run_id: UUID, status: str, timeout: float = 15) -> Run:
        wait_until(lambda: self.run(run_id).status == status, timeout, f"a run that is {status}")
        return self.run(run_id)

    def lose(self, run_id: UUID) -> None:
        """Its worker is gone: the lease runs out, and the sweeper comes."""
        changed_rows(update(Run).where(Run.id == run_id).values(lease_until=db_now(-1)))
        db.session.commit()
        Sweeper().sweep()


class Running(InThread):
    """A worker of actions."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app, worker_of(app))
