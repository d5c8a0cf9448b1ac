"""Audits, and skills of the project's own: their runs, and the tasks that come of what they find."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from models import audit, labs
from models.agent import Agent
from models.base import db
from models.errors import Conflict
from models.finding import LONGEST_AUDIT, OTHER, Finding, Looked, may_find, prefix
from models.held_run import HeldRun
from models.project import Project
from models.run import AUDITS, Run
from models.skill import FLAG as SKILLS
from models.skill import OFF as SKILLS_OFF
from models.skill import Skill
from models.task import FLAG, OFF, PRIORITIES, UI, Task
from models.text import clean, invalid, told
from models.user import User

MOST = 100
"""Findings of one audit that become tasks; of what is left out, nothing is closed."""
SHOWN = 300
"""Characters of evidence that a report repeats; the task has all of it."""
LONGEST_WORDS = 2000
"""Characters of what a person says to a skill."""
LONGEST_ANSWER = 20_000
_PATH = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
CHANGED = "The skill was changed: look at it, and run it again."


class Inspection(HeldRun):
    """It only reads, so a lost one begins anew."""

    @classmethod
    def ask_for(cls, project_id: UUID, name: str, by: User, words: str = "", seen: str | None = None) -> Run:
        """Let the audit be made, or the one that is open go on; a skill of the project's own is told `words`.

        `seen` is its revision, as the person saw it. Invalid for an unknown one. Conflict while tasks are
        switched off, where its skill cannot be run or is another one, and where an open one was told
        something else.
        """
        if not labs.enabled(FLAG, project_id):
            raise Conflict(OFF)
        agent_key = _judge(project_id)
        skill = _shipped(project_id, name, words) if name in AUDITS else _own(project_id, name, words, seen)
        if skill and not agent_key:
            raise Conflict("no agent of this project can run it")
        audit.lock()
        before = Run.open_audit(project_id, name)
        if before is not None:
            if before.params.get("words") != skill.get("words"):
                raise Conflict(f"{name} is being run already, with other words: wait for its end")
            return before
        run = Run.of_audit(project_id, name, asked_by=str(by.id), agent_key=agent_key, **skill)
        audit.record(f"person:{by.id}", "audit.asked", name, project_id=project_id, run=str(run.id))
        return run

    @classmethod
    def stop(cls, project_id: UUID, name: str, by: User) -> Run:
        """End the one that is open, at once; Conflict where none is."""
        audit.lock()
        run = Run.open_audit(project_id, name)
        if run is None or not run.cancel(f"{by.name} stopped it."):
            raise Conflict("nothing runs here that could be stopped")
        audit.record(f"person:{by.id}", "audit.stopped", name, project_id=project_id, run=str(run.id))
        return run

    @classmethod
    def hold(cls, run_id: UUID) -> Inspection:
        """The row as it is now, locked; the log first."""
        audit.lock()
        run = db.session.get_one(Run, run_id)
        db.session.refresh(run, with_for_update=True)
        return cls(run)

    def why_not(self) -> str:
        """As for every run; and a skill of the project's own must be the very one that was asked for."""
        why, asked = self._off(), self.run.params.get("revision")
        if why or asked is None:
            return why
        skill = Skill.own(self.run.project_id, self.name)
        same = skill is not None and skill.status == "ready" and skill.revision == asked
        return "" if same else CHANGED

    def done(
        self,
        token: str,
        looked: Sequence[Looked],
        by: str | None = None,
        note: str = "",
        usage: dict[str, Any] | None = None,
        said: str = "",
    ) -> bool:
        """Let tasks come of it, and go; False when the lease was lost.

        `by` is the agent that judged, none for a check by the rules alone; `note` says why. `said` is its
        answer, in Markdown.
        """
        if not self.held_under(token):
            return False
        if off := self._off():
            return self.failed(token, f"Nothing was kept: {off}.", usage)
        kept = _within_bounds(looked)
        found = [self._task_of(finding, by) for rule in kept for finding in rule.findings]
        closed = [said for rule in kept if rule.ran and rule.whole for said in self._gone(rule, by)]
        result = {
            "by": by,
            "note": note,
            "said": told(said, LONGEST_ANSWER),
            "rules": [
                {"rule": rule.rule, "title": rule.title, "said": told(rule.said, 500), "ran": rule.ran,
                 "whole": rule.whole, "found": len(rule.findings)}
                for rule in kept
            ],
            "findings": found,
            "closed": closed,
        }  # fmt: skip
        self.run.end("success", _in_words(kept, found, closed), token, usage=usage, result=result)
        self._note("ended", findings=len(found), closed=len(closed))
        return True

    def failed(self, token: str, reason: str, usage: dict[str, Any] | None = None) -> bool:
        """Nothing was looked at to its end, so nothing is opened or closed; False when the lease was lost."""
        ended = self.held_under(token) and self.run.end("error", told(reason), token, usage=usage)
        if ended:
            self._note("failed", reason=reason[:500])
        return ended

    def lost(self) -> bool:
        """Its worker is gone; False when somebody else was at it."""
        became = self.run.lose()
        if became == "error":
            self._note("failed", reason=(self.run.report or "")[:500])
        return became is not None

    @property
    def name(self) -> str:
        return str(self.run.audit)

    def _off(self) -> str:
        """What of it is switched off; empty where nothing is."""
        own = "revision" in self.run.params and not labs.enabled(SKILLS, self.run.project_id)
        return super().why_not() or (SKILLS_OFF if own else "")

    def _task_of(self, finding: Finding, by: str | None) -> dict[str, Any]:
        author, user_id = self._author(by)
        task, became = Task.from_finding(self.run.project_id, finding, author, user_id, self.run.started_at)
        return {
            "rule": finding.rule,
            "title": finding.title,
            "priority": finding.priority,
            "evidence": told(finding.evidence, SHOWN),
            "task": task.number,
            "became": became,
        }

    def _gone(self, rule: Looked, by: str | None) -> list[dict[str, Any]]:
        there = {finding.fingerprint for finding in rule.findings}
        gone = [
            task
            for task in Task.still_found(self.run.project_id, prefix(self.name, rule.rule))
            if task.fingerprint not in there
        ]
        author, user_id = self._author(by)
        return [
            {
                "rule": rule.rule,
                "title": task.title,
                "task": task.number,
                "said": told(rule.said, SHOWN),
                "closed": task.vanished(self.name, author, f"{rule.title}: {rule.said}", user_id),
            }
            for task in gone
        ]

    def _author(self, by: str | None) -> tuple[str, UUID | None]:
        """Of what it says of tasks: the agent that judged, or the person who had the rules look."""
        return (by, None) if by else (UI, UUID(self.run.params["asked_by"]))

    def _note(self, what: str, **detail: Any) -> None:
        audit.record("system", f"audit.{what}", self.name, project_id=self.run.project_id,
                     run=str(self.run.id), **detail)  # fmt: skip


def is_there(project_id: UUID, name: str) -> bool:
    """Whether it ships, is or was run, or lies in the workspace while skills are switched on."""
    if name in AUDITS or not may_find(name):
        return name in AUDITS
    runs = Run.open_audit(project_id, name) is not None or bool(Run.audits(project_id, name))
    return runs or (labs.enabled(SKILLS, project_id) and Skill.own(project_id, name) is not None)


def has_runs(skill: Skill) -> bool:
    """Whether it can be run by itself: not what follows an execution, nor what has no plain name."""
    return (skill.source == "shipped") == (skill.key in AUDITS) and may_find(skill.key)


def skill_of(project_id: UUID, name: str) -> Skill | None:
    """The skill that the audit is, as the executor found it; none before it looked, or without the flag."""
    if name not in AUDITS:
        return Skill.own(project_id, name)
    shipped = (one for one in Skill.of_project(project_id) if one.source == "shipped" and one.key == name)
    return next(shipped, None)


def _shipped(project_id: UUID, name: str, words: str) -> dict[str, str]:
    """Its rules look in any case, so that it may need setup; the worker takes the one that ships with it."""
    skill = skill_of(project_id, name)
    if words:
        raise invalid("words", "can be told to a skill of the project's own alone")
    if skill is not None and skill.status == "blocked":
        raise Conflict(skill.why_not)
    return {}


def _own(project_id: UUID, name: str, words: str, seen: str | None) -> dict[str, str]:
    """What its run says of it: which folder, and in which state."""
    skill = Skill.own(project_id, name) if labs.enabled(SKILLS, project_id) else None
    if skill is None:
        raise invalid("audit", f"must be one of {', '.join(AUDITS)}, or a skill of this project")
    if skill.why_not:
        raise Conflict(skill.why_not)
    if not may_find(name) or not _PATH.fullmatch(skill.path):
        raise Conflict(
            f"its folder's name must be 1 to {LONGEST_AUDIT} of a-z, 0-9 and single -, with a letter,"
            " and those around it of letters, digits, ., _ and -"
        )
    if seen not in (None, skill.revision):
        raise Conflict(CHANGED)
    words = clean(words, "words", longest=LONGEST_WORDS) if words else ""
    return {"path": skill.path, "revision": skill.revision, "words": words}


def _judge(project_id: UUID) -> str:
    """The project's default agent, or the first one that can work here; empty where none can."""
    project = db.session.get_one(Project, project_id)
    here = [agent.key for agent in Agent.of_project(project_id) if agent.queue is not None]
    return next((key for key in here if key == project.default_agent_key), next(iter(here), ""))


def _within_bounds(looked: Sequence[Looked]) -> list[Looked]:
    """The most urgent findings; a rule of which some are left out was not looked at as a whole."""
    all_found = [finding for rule in looked for finding in rule.findings]
    urgent = sorted(all_found, key=lambda finding: -PRIORITIES.index(finding.priority))
    kept = {finding.fingerprint for finding in urgent[:MOST]}
    return [_cut(rule, kept) for rule in looked]


def _cut(rule: Looked, kept: set[str]) -> Looked:
    there = tuple({one.fingerprint: one for one in rule.findings if one.fingerprint in kept}.values())
    left_out = len({one.fingerprint for one in rule.findings}) - len(there)
    return Looked(rule.rule, rule.title, rule.said, rule.ran, rule.whole and not left_out, there)


def _in_words(looked: Sequence[Looked], found: list[Any], closed: list[Any]) -> str:
    rules = [rule for rule in looked if rule.rule != OTHER]
    if not rules:
        return f"{_count(len(found), 'finding')}."
    ran = sum(rule.ran for rule in rules)
    said = f"{ran} of {len(rules)} checks were made. {_count(len(found), 'finding')}"
    return f"{said}, {_count(len(closed), 'finding')} not there any more."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
