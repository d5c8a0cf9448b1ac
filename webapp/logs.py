"""Logs: one JSON object a line on stderr, with the request's id, and without secrets."""

import logging
import re
import sys
import time
from typing import Any

import structlog
from flask import Flask, Response, g, request
from uuid6 import uuid7

_LONGEST = 2000
_SECRET = re.compile(
    r"trm_[a-z]{3}_\w+"  # our own tokens
    r"|sk-[A-Za-z0-9_-]{16,}"
    r"|(?i:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"
    r"|(?<=://)[^\s/@]+:[^\s/@]+(?=@)"  # a password inside an address
    r"|(?i:tr_sid|tr_visitor|password|csrf_token|code)=[^\s;&]+"
)


def redact(text: str) -> str:
    """`text` without what looks like a credential, and not endless."""
    return _SECRET.sub("[secret]", text)[:_LONGEST]


def _clean(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    return {key: redact(value) if isinstance(value, str) else value for key, value in event.items()}


def configure(level: str) -> None:
    """Send everything, our own words and those of libraries, through one formatter."""
    # JSON escapes line breaks and terminal codes, so no value can forge a line.
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _clean,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(default=repr),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in [old for old in root.handlers if getattr(old, "of_teamroom", False)]:
        root.removeHandler(old)
    handler.of_teamroom = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    root.setLevel(level)
    # It tells at each look at the database what kind that is; `release` says itself what it did.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # It would tell whole headers, and with them what other servers were told in confidence.
    logging.getLogger("httpcore2").setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=False,
    )


def install(app: Flask) -> None:
    """Give each request an id, and write one line when it is answered."""
    configure(app.config["LOG_LEVEL"])
    log = structlog.get_logger("web")

    @app.before_request
    def begin() -> None:
        g.request_id, g.began = str(uuid7()), time.monotonic()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def end(response: Response) -> Response:
        if "request_id" not in g or request.endpoint == "static":
            return response
        response.headers["X-Request-Id"] = g.request_id
        # The rule, not the address: an address may hold an invite's secret.
        log.info(
            "request",
            method=request.method,
            rule=str(request.url_rule) if request.url_rule else None,
            status=response.status_code,
            ms=round((time.monotonic() - g.began) * 1000, 1),
            who=g.principal.key if "principal" in g else None,
        )
        return response

    @app.teardown_request
    def forget(error: BaseException | None) -> None:
        structlog.contextvars.unbind_contextvars("request_id")
