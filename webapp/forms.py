"""Forms of pages: one that is refused is shown again, with the error at its field and what was typed."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask, g, make_response, request
from werkzeug.wrappers import Response

from models.base import db
from models.errors import Conflict, Invalid, TooMany
from webapp import limits
from webapp.auth import only_read_from_here

View = Callable[..., Response]


def shown_again(show: Callable[..., Any]) -> Callable[[View], View]:
    """For each view that reads a form; `show` makes the page which that form is on.

    It is given what the address says besides the project, and looks itself whether the page may be seen.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def taken(**address: Any) -> Response:
            try:
                limits.check_form()
                return view(**address)
            except (Invalid, Conflict, TooMany) as error:
                db.session.rollback()
                only_read_from_here()
                g.errors = error.fields or {"error": [error.message]}
                address.pop("project_key", None)
                response: Response = make_response(show(**address))
                response.status_code = 422
                if isinstance(error, TooMany):
                    response.status_code = 429
                    response.headers["Retry-After"] = str(error.retry_after)
                return response

        return taken

    return decorate


def install(app: Flask) -> None:
    @app.context_processor
    def refused() -> dict[str, Any]:
        errors = g.get("errors")
        return {"errors": errors or {}, "values": _typed() if errors else {}}


def _typed() -> dict[str, str]:
    """What a page can hold of it; the macro `field` shows no password again."""
    return {name: value.replace("\0", "")[: limits.LONGEST_STRING] for name, value in request.form.items()}
