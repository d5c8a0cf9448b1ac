"""What the actions that ask another server share: how it is asked, and how its answer is told."""

import base64
import html
import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from flask import Flask

from models.actions.api_call import READING
from models.actions.url import host_of
from models.allowed_host import AllowedHost
from models.base import reading
from models.hidden import made_visible
from queues.actions.job import CannotBeDone, Job, OutcomeUnknown
from queues.egress import Answer, Egress, NotSent, Request, Unanswered

TOLD = 2000
"""Characters of an answer that the result keeps."""
GATEWAY = (502, 504)
"""Answers of one that stands between, and does not know what became of a request (RFC 9110, 15.6.3, .5)."""
_SHORTEST = 8


def ask(app: Flask, job: Job, request: Request, secrets: Mapping[str, str]) -> str:
    """The sentence for the result; `secrets` by their names are blotted out of it.

    Raises CannotBeDone, also for an answer that is no success, or OutcomeUnknown.
    """
    host = host_of(request.url)
    with app.app_context(), reading():
        allowed = AllowedHost.origins(job.project_id)
    try:
        answer = Egress.of(app).ask(request, allowed)
    except NotSent as error:
        raise CannotBeDone(f"Nothing was sent to {host}: {blot(str(error), secrets)}.") from None
    except Unanswered as error:
        why = blot(str(error), secrets)
        raise OutcomeUnknown(
            f"The request left for {host} and no answer came: {why}. Look there whether it was done."
        ) from None
    said = told(host, answer, secrets)
    if answer.status in GATEWAY and request.method not in READING:
        raise OutcomeUnknown(f"A gateway answered, which cannot know. Look there whether it was done. {said}")
    if not 200 <= answer.status < 300:
        raise CannotBeDone(said)
    return said


def told(host: str, answer: Answer, secrets: Mapping[str, str]) -> str:
    """Status, size and the beginning of the body, with nothing hidden in it and without the secrets."""
    size = f"{len(answer.body):,} bytes" if answer.whole else f"more than {len(answer.body):,} bytes"
    said = f"{host} answered {answer.status} with {size}"
    if 300 <= answer.status < 400 and (where := answer.headers.get("location")):
        where = "an address that repeats a secret" if repeats(where, secrets) else blot(where, secrets)
        said += f", which point to {made_visible(where)[:200]} (not followed)"
    if not answer.body:
        return f"{said}."
    coding = answer.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        return f"{said}, compressed though that was not asked for."
    body = answer.body.decode(errors="replace")
    if repeats(body, secrets):
        return f"{said}. They are not shown, since they repeat a secret in a spelling of their own."
    # Blotted out before it is cut: half a secret is one too.
    text = made_visible(blot(body, secrets))
    rest = "…" if len(text) > TOLD or not answer.whole else ""
    return f"{said}:\n{text[:TOLD]}{rest}"


def blot(text: str, secrets: Mapping[str, str]) -> str:
    """`text` without the secrets, as they are and in the spellings in which servers repeat what they got."""
    for name, value in secrets.items():
        for spelling in sorted(_spellings(value), key=len, reverse=True):
            text = text.replace(spelling, f"⟨secret {name}⟩")
    return text


def repeats(text: str, secrets: Mapping[str, str]) -> bool:
    """Whether a secret still stands in the text after `blot`, once it is read as JSON, HTML or an address."""
    spellings = {spelling for value in secrets.values() for spelling in _spellings(value)}
    copies = {blot(text, secrets)} if spellings else set()
    for _ in range(_NESTED):
        copies |= {read(copy) for copy in copies for read in _READINGS}
    return any(spelling in copy for copy in copies for spelling in spellings)


def _unescaped(text: str) -> str:
    """Without the escapes of JSON (RFC 8259, 7), wherever they stand."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)


_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/]))')
_READINGS: tuple[Callable[[str], str], ...] = (_unescaped, html.unescape, unquote, unquote_plus)
_NESTED = 2
"""How deep: an address in JSON, JSON in HTML."""


def _spellings(value: str) -> set[str]:
    # Of "Bearer abc…" a server may repeat the second word alone, and of "Basic abc…" what that says.
    parts = {value, *value.split(), *_of_basic(value)}
    parts = {part for part in parts if part == value or len(part) >= _SHORTEST}
    found = set(parts)
    for part in parts:
        raw = part.encode()
        coded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
        found |= coded | {code.rstrip("=") for code in coded}
        found |= {quote(part), quote(part, safe=""), quote_plus(part), json.dumps(part)[1:-1]}
    return found


def _of_basic(value: str) -> set[str]:
    """Name and password of such an Authorization (RFC 7617), together and apart; nothing of another value."""
    scheme, _, code = value.partition(" ")
    if scheme.lower() != "basic":
        return set()
    try:
        both = base64.b64decode(code, validate=True).decode()
    except ValueError:
        return set()
    name, _, password = both.partition(":")
    return {both, name, password}
