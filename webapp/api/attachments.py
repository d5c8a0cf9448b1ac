"""Files of messages: given before the message that has them, and read by whoever reads it."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from flask import Flask, Response, current_app, g, jsonify, request

from models.attachment import Attachment, AttachmentPiece, Received, too_large
from models.base import db, reading
from models.errors import Conflict, NotFound
from models.thread import Thread
from webapp import visible
from webapp.auth import current_user, policy, require
from webapp.limits import ApiBlueprint, takes_file
from webapp.schemas import FileRow, NewFile
from webapp.security import disposition

bp = ApiBlueprint("attachments", __name__, url_prefix="/api", description="Files of messages")

_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


@bp.put("/threads/<uuid:thread_id>/attachments/<uuid:attachment_id>")
@policy("message.attach", apart=True)
@takes_file
@bp.arguments(NewFile, location="query")
@bp.doc(requestBody={"content": _BYTES, "required": True})
@bp.response(200, FileRow)
def keep(new: dict[str, Any], thread_id: UUID, attachment_id: UUID) -> Response:
    """Upload a file for a message to come, as the body, under an id of one's own; a repeat is harmless."""
    with reading():
        _place(thread_id)  # before anything of the body is read
        db.session.close()
    megabytes: int = current_app.config["FILE_MEGABYTES"]
    most, of_project = megabytes << 20, current_app.config["PROJECT_FILES_MEGABYTES"] << 20
    if (request.content_length or 0) > most:
        raise too_large(most)
    request.max_content_length = most + 1  # so that it is refused by us, with its field
    with Received.read(new["name"], request.stream, most) as file:
        g.pop("principal", None)  # a body may take long, and rights be withdrawn meanwhile
        kept = Attachment.keep(attachment_id, _place(thread_id), current_user(), file, of_project)
        db.session.commit()
    return jsonify(kept.said)


def _place(thread_id: UUID) -> Thread:
    thread = visible.thread_to_write_in(thread_id)
    require("message.attach", thread.project_id)
    return thread


@bp.get("/attachments/<uuid:attachment_id>")
@policy("message.read")
@bp.alt_response(200, description="The file", content_type="application/octet-stream")
def read(attachment_id: UUID) -> Response:
    """A file of a message; an image of the four kinds for looking at, anything else to be saved."""
    file = visible.attachment(attachment_id)
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    response = Response(_bytes_of(app, file.id, file.size), mimetype=file.media_type)
    headers = response.headers
    headers["Content-Length"] = str(file.size)
    headers["Content-Disposition"] = disposition(file.name, "inline" if file.is_image else "attachment")
    headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    headers["Referrer-Policy"] = "no-referrer"
    # Kept, but asked about each time: whoever may not read it any more does not.
    headers["Cache-Control"] = "private, no-cache"
    response.set_etag(file.sha256)
    response.make_conditional(request)
    return response


def _bytes_of(app: Flask, attachment_id: UUID, size: int) -> Iterator[bytes]:
    """Piece by piece, each in its own transaction: a slow reader holds neither memory nor a connection."""
    place = sent = 0
    while sent < size:
        with app.app_context(), reading():
            piece = AttachmentPiece.at(attachment_id, place)
            db.session.rollback()
        if piece is None:
            raise EOFError("a file was deleted while it was read")  # ends the connection: it is not whole
        place, sent = place + 1, sent + len(piece)
        yield piece


@bp.delete("/attachments/<uuid:attachment_id>")
@policy("message.attach")
@bp.response(204)
def remove(attachment_id: UUID) -> Response:
    """Take back one's own file that no message has; what a message has goes with the message."""
    file = db.session.get(Attachment, attachment_id)
    if file is None:
        raise NotFound
    require("message.attach", file.project_id)
    if file.uploaded_by != current_user().id:
        raise NotFound
    if not Attachment.forget(Attachment.id == file.id, Attachment.message_id.is_(None)):
        raise Conflict("this file belongs to a message")
    db.session.commit()
    return Response(status=204)
