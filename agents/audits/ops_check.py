"""Ops Check: what stops the work of a project here, or soon will.

A task is for everybody in the project: of direct conversations nothing is told, not even that there are some.
"""

import os
import shutil
import time
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from flask import current_app
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.engine import make_url

from agents.audits.rule import CannotLook, Rule, Seen, in_database
from models.approval import Approval
from models.base import db, utcnow
from models.delivery import Delivery
from models.proposal import Proposal
from models.run import Run
from models.task import Task
from models.thread import Thread
from models.worker import EXECUTORS, Worker

LAG = timedelta(minutes=5)
"""Longer than a free worker needs, and than the watchdog waits."""
LATELY = timedelta(hours=24)
LONG = timedelta(days=1)
BACKUP_HOURS = 26
"""A day, and the time that a backup may take."""
LITTLE, NOTHING = 0.10, 0.03
"""Of a disk that is free."""
GIB = 1 << 30
OF_THREAD = (Thread, Thread.id == Delivery.thread_id)
NAMES = {"chat": "answers of agents", "runs": "plans and approved work"}


def queue_lag(project_id: UUID) -> Seen:
    now, seen = utcnow(), Seen("")
    told = []
    for queue, (count, oldest) in {"chat": _deliveries(project_id), "runs": _runs(project_id)}.items():
        told.append(f"{NAMES[queue].capitalize()} that wait: {count}")
        if oldest is not None and now - oldest > LAG:
            seen.add(
                queue,
                f"{NAMES[queue].capitalize()} wait too long",
                f"The oldest has waited for more than {_minutes(LAG)}. Nobody takes it, or too few do.",
                f"Waiting: {count}. The oldest since {_at(oldest)}, for {_minutes(now - oldest)}.",
                "high",
            )
    seen.said = f"{told[0]}. {told[1]}."
    return seen


def _deliveries(project_id: UUID) -> tuple[int, datetime | None]:
    waiting = select(func.count(), func.min(Delivery.created_at, type_=Delivery.created_at.type))
    count, oldest = db.session.execute(
        waiting.join(*OF_THREAD).where(*_in_rooms(project_id), Delivery.status == "queued")
    ).one()
    return count, oldest


def _in_rooms(project_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return Delivery.project_id == project_id, Thread.owner_user_id.is_(None)


def _runs(project_id: UUID) -> tuple[int, datetime | None]:
    since = func.coalesce(Run.run_after, Run.created_at, type_=Run.created_at.type)
    waiting = select(func.count(), func.min(since, type_=Run.created_at.type))
    waiting = waiting.where(Run.project_id == project_id, Run.status == "queued", since < utcnow())
    waiting = waiting.where(_not_private(project_id))
    count, oldest = db.session.execute(waiting).one()
    return count, oldest


def failed_deliveries(project_id: UUID) -> Seen:
    since = utcnow() - LATELY
    ended = (
        select(Delivery)
        .join(*OF_THREAD)
        .where(*_in_rooms(project_id))
        .where(Delivery.created_at > since, Delivery.status.in_(("processed", "failed")))
    )
    rows = list(db.session.scalars(ended.limit(10_000)))
    failed: dict[str, list[Delivery]] = {}
    for row in rows:
        if row.status == "failed":
            failed.setdefault(row.reason or "no reason is known", []).append(row)
    count = sum(map(len, failed.values()))
    seen = Seen(f"Answers that ended in the last 24 hours: {len(rows)}, failed: {count}.")
    for reason, some in failed.items():
        agents = ", ".join(sorted({f"@{row.target_agent_key}" for row in some}))
        seen.add(
            reason,
            f"Answers fail: {reason}",
            "Answers to messages failed, all for the same reason. Each can be tried again in the room.",
            f"{len(some)} of {len(rows)} in 24 hours, of {agents}. The last one at"
            f" {_at(some[-1].created_at)}.\nReason: {reason}",
            "high" if len(some) > 2 else "normal",
        )
    return seen


def _not_private(project_id: UUID) -> ColumnElement[bool]:
    """A direct conversation's own run is nobody else's business."""
    private = (
        select(Approval.id)
        .join(Proposal, Proposal.id == Approval.subject_id)
        .join(Thread, Thread.id == Proposal.thread_id)
        .where(Thread.owner_user_id.is_not(None), Proposal.project_id == project_id)
    )
    return or_(Run.approval_id.is_(None), Run.approval_id.not_in(private))


def stuck_runs(project_id: UUID) -> Seen:
    now = utcnow()
    lost = (Run.status == "running", Run.lease_until < now - LAG)
    query = (
        select(Run)
        .where(Run.project_id == project_id, or_(Run.status == "interrupted", (lost[0]) & (lost[1])))
        .where(_not_private(project_id))
    )
    open_runs = list(db.session.scalars(query.order_by(Run.created_at).limit(200)))
    seen = Seen(f"Runs that are interrupted, or held by nobody: {len(open_runs)}.")
    for run in open_runs:
        task = db.session.get(Task, run.task_id) if run.task_id else None
        of = f"task {task.number}" if task else "an approved action"
        what = "was interrupted" if run.status == "interrupted" else "is held by no worker"
        seen.add(
            str(run.id),
            f"The work on {of} {what}",
            "Nobody knows what became of it, and nothing does it again by itself. A person has to look,"
            " and say what became of it.",
            f"Run {run.id} ({run.kind}), begun {_at(run.started_at)}. {run.error or ''}".strip(),
            "high",
        )
    return seen


def workers(project_id: UUID) -> Seen:
    del project_id  # they work for all projects
    seen, told = Seen(""), []
    for queue in EXECUTORS:
        last = Worker.last_seen(queue)
        if Worker.healthy(queue):
            told.append(f"{queue}: {Worker.free_slots(queue)} free slots")
            continue
        when = f"The last one beat at {_at(last)}." if last else "None was ever seen in the last day."
        told.append(f"{queue}: none")
        seen.add(
            queue,
            f"No {queue} worker is there",
            f"Nobody takes {NAMES[queue]}. Start one: `python -m queues.worker {queue}`.",
            f"No {queue} worker beat within 30 s. {when}",
            "urgent",
        )
    seen.said = f"{', '.join(told)}."
    return seen


def disk(project_id: UUID) -> Seen:
    del project_id
    seen, told, known = Seen(""), [], set()
    for name, folder in _folders().items():
        device = os.stat(folder).st_dev
        if device in known:
            continue
        known.add(device)
        usage = shutil.disk_usage(folder)
        free = usage.free / usage.total
        told.append(f"{name}: {usage.free / GIB:.1f} GiB free, {free:.0%}")
        if free < LITTLE or usage.free < GIB:
            seen.add(
                name,
                f"The disk of the {name} is nearly full",
                "When it is full, nothing can be written any more: no message, no plan, no backup.",
                f"{usage.free / GIB:.1f} GiB of {usage.total / GIB:.1f} GiB are free ({free:.0%}).",
                "urgent" if free < NOTHING else "high",
            )
    seen.said = f"{'; '.join(told)}."
    return seen


def _folders() -> dict[str, Path]:
    """What is written to, or the nearest folder above it that is there."""
    config, url = current_app.config, make_url(current_app.config["DATABASE_URL"])
    folders = {"workspaces": Path(config["WORKSPACES_FOLDER"])}
    if url.get_backend_name() == "sqlite" and url.database:
        folders["database"] = Path(url.database).parent
    return {name: _nearest(path) for name, path in folders.items()}


def _nearest(path: Path) -> Path:
    return next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())


def backups(project_id: UUID) -> Seen:
    del project_id
    folder = Path(current_app.config["BACKUP_FOLDER"])
    if not folder.is_dir():
        raise CannotLook("the worker sees no folder with backups.")
    with os.scandir(folder) as entries:
        times = [entry.stat().st_mtime for entry in entries if entry.name.startswith("teamroom-")]
    if not times:
        seen = Seen("There is no backup.")
        evidence = "The folder of backups is there, and has none."
    else:
        hours = (time.time() - max(times)) / 3600
        seen = Seen(f"Backups: {len(times)}. The last one is {hours:.0f} hours old.")
        if hours <= BACKUP_HOURS:
            return seen
        evidence = seen.said
    seen.add(
        "backup",
        "The last backup is too old" if times else "There is no backup",
        f"What happened since is in no backup. Make one: `flask --app webapp backup`; once a day, within"
        f" {BACKUP_HOURS} hours.",
        evidence,
        "normal",
    )
    return seen


def waiting(project_id: UUID) -> Seen:
    now = utcnow()
    proposals = select(func.count(), func.min(Proposal.proposed_at, type_=Proposal.proposed_at.type))
    proposals = proposals.outerjoin(Thread, Thread.id == Proposal.thread_id).where(
        Proposal.project_id == project_id, Proposal.status == "proposed",
        or_(Proposal.listed.is_(True), Thread.owner_user_id.is_(None)),
    )  # fmt: skip
    plans = select(func.count(), func.min(Task.waits_since, type_=Task.waits_since.type))
    plans = plans.where(Task.project_id == project_id, Task.waits_since.is_not(None))
    seen, told = Seen(""), []
    for name, query in (("proposals", proposals), ("tasks", plans)):
        count, oldest = db.session.execute(query).one()
        told.append(f"{name.capitalize()} that wait for a person: {count}")
        if oldest is not None and now - oldest > LONG:
            seen.add(
                name,
                f"{name.capitalize()} wait for a decision for more than a day",
                "Nothing expires, nothing decides by itself. Who may decide finds them under Needs you.",
                f"Waiting: {count}. The oldest since {_at(oldest)}.",
                "normal",
            )
    seen.said = f"{'. '.join(told)}."
    return seen


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "a time that nobody noted"


def _minutes(length: timedelta) -> str:
    minutes = round(length.total_seconds() / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"


RULES = (
    Rule("queue-lag", "Work that waits", in_database(queue_lag), ("queue",)),
    Rule("failed-deliveries", "Answers that failed", in_database(failed_deliveries), ("delivery",)),
    Rule("stuck-runs", "Interrupted work", in_database(stuck_runs), ("runs",)),
    Rule("workers", "Workers", in_database(workers), ("worker",)),
    Rule("disk", "Disk", in_database(disk), ("storage",)),
    Rule("backups", "Last backup", in_database(backups), ("storage",)),
    Rule("waiting", "Decisions that wait", in_database(waiting), ("people",)),
)
