"""What an audit found: a finding with its evidence, and what each of its rules looked at."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from models.run import audit_name
from models.task import PRIORITIES
from models.text import clean, clean_name, invalid

LONGEST_TITLE, LONGEST_TEXT, LONGEST_SUBJECT = 200, 4000, 500
MOST_TAGS = 8
OTHER = "other"
"""The rule of what an agent saw by itself: nobody can say that it is gone but who looks again."""
_AUDIT = re.compile(r"(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*")
LONGEST_AUDIT = 64
"""Characters of the key of a skill that finds something, by the specification of Agent Skills."""
_TAG = re.compile(r"[a-z0-9][a-z0-9_.-]{0,29}")
_RULE = re.compile(r"[a-z][a-z-]{0,29}")


@dataclass(frozen=True)
class Finding:
    """One thing that somebody should see to. `subject` says of what the rule is about, always in one way."""

    audit: str
    rule: str
    subject: str
    title: str
    description: str
    evidence: str
    priority: str = "normal"
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Invalid names the field that does not fit: an agent may have written it."""
        if not may_find(self.audit):
            raise invalid(
                "audit", f"must be 1 to {LONGEST_AUDIT} of a-z, 0-9 and single - between them, with a letter"
            )
        if not _RULE.fullmatch(self.rule):
            raise invalid("rule", "must be 1 to 30 of a-z and -")
        clean(self.subject, "subject", longest=LONGEST_SUBJECT)
        clean_name(self.title, "title", longest=LONGEST_TITLE)
        clean(self.description, "description", longest=LONGEST_TEXT)
        clean(self.evidence, "evidence", longest=LONGEST_TEXT)
        if self.priority not in PRIORITIES:
            raise invalid("priority", f"must be one of {', '.join(PRIORITIES)}")
        if len(self.tags) > MOST_TAGS or not all(_TAG.fullmatch(tag) for tag in self.tags):
            raise invalid("tags", f"must be {MOST_TAGS} at most, each of a-z, 0-9, _, . and -")

    @property
    def fingerprint(self) -> str:
        """By what it is known again: from what it is about, never from words that say so."""
        return f"{prefix(self.audit, self.rule)}{hashlib.sha256(self.subject.encode()).hexdigest()[:40]}"

    @property
    def audit_name(self) -> str:
        return audit_name(self.audit)

    @property
    def all_tags(self) -> list[str]:
        own = [tag for tag in (self.audit, self.rule) if _TAG.fullmatch(tag)]
        return list(dict.fromkeys((*own, *self.tags)))[:MOST_TAGS]


def may_find(audit: str) -> bool:
    """Whether a skill of this key can be run: it stands in addresses and in fingerprints."""
    return len(audit) <= LONGEST_AUDIT and _AUDIT.fullmatch(audit) is not None


def prefix(audit: str, rule: str) -> str:
    """How the fingerprints of a rule begin."""
    return f"{audit}/{rule}/"


@dataclass(frozen=True)
class Looked:
    """What one rule looked at, in a sentence, and what it found; or why it could not look."""

    rule: str
    title: str
    said: str
    ran: bool = True
    whole: bool = True
    """Whether all was looked at: what is not among the findings is gone only then."""
    findings: tuple[Finding, ...] = field(default=())
