"""The test client: each request stands alone as in production, and each page is read strictly."""

from contextvars import Context
from typing import Any

from flask import has_app_context
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from models.base import db
from tests.support.pages import faults


class StrictClient(FlaskClient):
    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Commit what the test arranged, ask in an empty context, forget what the test had read."""
        session = db.session.registry() if has_app_context() else None
        if session is not None and session.in_transaction():
            session.commit()
        response: TestResponse = Context().run(super().open, *args, **kwargs)
        if session is not None:
            session.expire_all()
        _refuse_bad_html(response)
        return response


def _refuse_bad_html(response: TestResponse) -> None:
    # Nobody reads the page of a redirect, which the library writes.
    if response.location is None and response.mimetype in ("text/html", "text/vnd.turbo-stream.html"):
        found = faults(response.text)
        assert not found, f"bad HTML from {response.request.path}:\n" + "\n".join(found)
