"""What an agent says of the facts of an audit: kept until the audit ends, and nothing of it trusted."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agents.secrecy import without_secrets
from models.errors import Invalid
from models.finding import LONGEST_TEXT, OTHER, Finding, Looked
from models.hidden import made_visible
from models.task import PRIORITIES
from models.text import invalid, told

MOST_OTHERS = 20
"""What an agent may find by itself, in one audit."""


@dataclass
class Reported:
    """An agent words and raises what rules found, and adds what it saw. It hides and lowers nothing."""

    audit: str
    looked: Sequence[Looked]
    _said: dict[tuple[str, str], Finding] = field(default_factory=dict)

    def add(self, findings: Sequence[dict[str, Any]]) -> str:
        """All of them or none; Invalid names the field of the first that does not fit."""
        added = {}
        for number, said in enumerate(findings):
            try:
                finding = Finding(audit=self.audit, **_told(said))
                self._check(finding)
            except Invalid as wrong:
                named = {f"findings.{number}.{name}": why for name, why in wrong.fields.items()}
                raise Invalid(f"findings.{number}.{wrong.message}", fields=named) from None
            added[finding.rule, finding.subject] = finding
        known = {*self._said, *added}
        if sum(rule == OTHER for rule, _ in known) > MOST_OTHERS:
            raise invalid("findings", f"may hold {MOST_OTHERS} of your own (rule {OTHER}) in all")
        self._said |= added
        return f"Kept: {len(added)}. You reported {len(known)} in all."

    def _check(self, finding: Finding) -> None:
        """Only what a rule saw is said of its facts: another subject would be another task."""
        if finding.rule == OTHER:
            return
        facts = {rule.rule: {one.subject for one in rule.findings} for rule in self.looked}
        if finding.rule not in facts:
            known = ", ".join([*facts, OTHER])
            raise invalid("rule", f"must be one of {known}")
        if finding.subject not in facts[finding.rule]:
            raise invalid(
                "subject", f"is none of the facts of {finding.rule}; for what you saw: rule {OTHER}"
            )

    @property
    def empty(self) -> bool:
        return not self._said

    def judged(self) -> list[Looked]:
        """What rules found, in the agent's words, and what it found by itself."""
        rules = [
            replace(rule, findings=tuple(self._judged(one) for one in rule.findings)) for rule in self.looked
        ]
        own = tuple(finding for (rule, _), finding in self._said.items() if rule == OTHER)
        if own:
            # Never whole: that an agent does not name it again is no sign that it is gone.
            rules.append(
                Looked(OTHER, "What the agent saw", f"It reported {len(own)}.", whole=False, findings=own)
            )
        return rules

    def _judged(self, fact: Finding) -> Finding:
        said = self._said.get((fact.rule, fact.subject))
        if said is None:
            return fact
        higher = max(fact.priority, said.priority, key=PRIORITIES.index)
        evidence = told(f"{fact.evidence}\n\nThe agent: {said.evidence}", LONGEST_TEXT - 50)
        return replace(said, priority=higher, evidence=evidence)


def _told(said: dict[str, Any]) -> dict[str, Any]:
    """It may have read secrets, and text that hides some of itself; a task is for everybody here."""
    plain = {name: made_visible(without_secrets(said[name])) for name in ("description", "evidence")}
    return {**said, **plain, "title": without_secrets(said["title"])}
