"""Deliberately broken builds of the web process: the controls that a fault test must catch.

`python -m tests.faults.broken NAME` serves like wsgi.py, with one promise broken.
"""

import wsgi  # isort: skip  # it patches, so it comes first

import random
import sys
from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

from models import message
from realtime import streams
from realtime.server import attach
from webapp import create_app


def acknowledges_what_it_throws_away(app: Any) -> None:
    """One post of ten gets its 201 and is never written (against I1)."""
    inner = app.wsgi_app

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        posting = environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].endswith("/messages")
        if posting and random.random() < 0.1:
            start_response("201 CREATED", [("Content-Type", "application/json")])
            return [b'{"id": "x", "seq": 1}']
        answered: Iterable[bytes] = inner(environ, start_response)
        return answered

    app.wsgi_app = answer


def forgets_client_ids(app: Any) -> None:
    """A repeat is a new message (against I1)."""
    of = message.Draft.of.__func__  # type: ignore[attr-defined]

    def forgetful(cls: Any, user_id: Any, content: Any, client_id: Any, *more: Any, **kw: Any) -> Any:
        return of(cls, user_id, content, f"{client_id}/{uuid4()}"[:64], *more, **kw)

    message.Draft.of = classmethod(forgetful)  # type: ignore[assignment,method-assign]


def forgets_what_was_missed(app: Any) -> None:
    """Catching up moves the reader to the head without what lies between (against I2)."""
    catch_up = streams.catch_up

    def forgetful(name: str, since: int | None, *more: Any, **kw: Any) -> dict[str, Any]:
        answer = catch_up(name, since, *more, **kw)
        return answer | {"items": [], "reset": False, "more": False}

    streams.catch_up = forgetful


BROKEN = {
    each.__name__: each
    for each in (acknowledges_what_it_throws_away, forgets_client_ids, forgets_what_was_missed)
}


def main() -> None:
    app = create_app()
    BROKEN[sys.argv[1]](app)
    attach(app, "eventlet")
    wsgi.serve(app)


if __name__ == "__main__":
    main()
