"""Tickets for a websocket: signed, 30 seconds, good for one session only.

A page gets one by an authenticated POST. So a foreign page that opens a websocket with the browser's
cookie still lacks what only our own pages can read.
"""

from uuid import UUID

from itsdangerous import BadData, URLSafeTimedSerializer

SECONDS = 30
_SALT = "teamroom/socket-ticket/v1"


def issue(secret_key: str, session_id: UUID) -> str:
    return str(URLSafeTimedSerializer(secret_key, salt=_SALT).dumps(str(session_id)))


def redeem(secret_key: str, ticket: object, session_id: UUID) -> bool:
    """Whether the ticket is ours, fresh, and of this session; anything else, of any type, is not."""
    if not isinstance(ticket, str):
        return False
    try:
        said = URLSafeTimedSerializer(secret_key, salt=_SALT).loads(ticket, max_age=SECONDS)
    except (BadData, UnicodeEncodeError):  # half of a surrogate pair is no text
        return False
    return bool(said == str(session_id))
