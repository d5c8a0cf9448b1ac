"""Audits and runs of skills, tabs of Tasks: the last report, its findings with their tasks, those before."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template

from models.errors import NotFound
from models.inspection import LONGEST_WORDS, is_there, skill_of
from models.labs import enabled
from models.run import AUDITS, Run, audit_name
from models.secret import digest
from models.skill import FLAG, Skill
from models.task import PRIORITIES
from models.task_list import GRAVE, open_by_tab
from models.worker import RUNS
from queues.direct import direct_or_queued
from realtime import health
from webapp import compared, rendering, visible
from webapp.auth import current_project, policy

bp = Blueprint("audit_pages", __name__)


@dataclass(frozen=True)
class Report:
    """What one audit said, in the groups in which it is read."""

    run: Run
    grave: list[dict[str, Any]]
    other: list[dict[str, Any]]
    dismissed: list[dict[str, Any]]
    gone: list[dict[str, Any]]
    blind: list[dict[str, Any]]
    """Rules that could not look."""
    passed: list[dict[str, Any]]
    titles: dict[str, str]
    """What each rule looks at."""

    @classmethod
    def of(cls, run: Run) -> "Report":
        said: dict[str, Any] = run.result or {}
        rules, findings = said.get("rules", []), said.get("findings", [])
        findings = sorted(findings, key=lambda one: -PRIORITIES.index(one["priority"]))
        there = [one for one in findings if one["became"] != "dismissed"]
        return cls(
            run,
            [one for one in there if one["priority"] in GRAVE],
            [one for one in there if one["priority"] not in GRAVE],
            [one for one in findings if one["became"] == "dismissed"],
            said.get("closed", []),
            [rule for rule in rules if not rule["ran"]],
            [rule for rule in rules if rule["ran"] and not rule["found"]],
            {rule["rule"]: rule["title"] for rule in rules},
        )

    @property
    def seconds(self) -> str:
        """How long it took, in words."""
        assert self.run.started_at
        assert self.run.finished_at
        seconds = (self.run.finished_at - self.run.started_at).total_seconds()
        return "less than a second" if seconds < 1 else f"{seconds:.0f} s"

    @property
    def tone(self) -> str:
        """How it ended, as a colour."""
        if self.run.status != "success":
            return "miss"
        return "warn" if self.grave or self.other else "good"


@bp.get("/<project_key>/tasks/<audit>")
@policy("task.read")
def show(project_key: str, audit: str) -> str:
    project_id = current_project().id
    visible.tasks(project_id)
    if not is_there(project_id, audit):
        raise NotFound
    reports = [Report.of(run) for run in Run.audits(project_id, audit)]
    report = next((one for one in reports if one.run.status == "success"), None)
    said = str((report.run.result or {}).get("said", "")) if report is not None else ""
    return render_template(
        "tasks/audit.html",
        **(rendering.page_layout() | {"health": health.status(RUNS), "executor_queue": RUNS}),
        tabs=open_by_tab(project_id, audit),
        audit=audit,
        name=audit_name(audit),
        own=audit not in AUDITS,
        longest_words=LONGEST_WORDS,
        running=Run.open_audit(project_id, audit),
        executor=direct_or_queued(RUNS) == "direct",
        reports=reports,
        report=report,
        said=compared.html_of(said, digest(said)) if said else "",
        skill=_skill(audit),
    )


def _skill(audit: str) -> Skill | None:
    project_id = current_project().id
    return skill_of(project_id, audit) if enabled(FLAG, project_id) else None
