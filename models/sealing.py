"""Secrets that we must read again are stored sealed, with a key made from SECRET_KEY."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from models.errors import Conflict

_NONCE = 12
_PURPOSE = b"teamroom/sealed/v1"


def seal(text: str, secret_key: str, about: str) -> bytes:
    """`text` as only who has the key can read it, and only where the same is said `about` it."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + _cipher(secret_key).encrypt(nonce, text.encode(), about.encode())


def unseal(sealed: bytes, secret_key: str, about: str) -> str:
    """What was sealed. Conflict when the key is another one by now, or the row was changed by hand."""
    try:
        text = _cipher(secret_key).decrypt(sealed[:_NONCE], sealed[_NONCE:], about.encode())
    except InvalidTag:
        raise Conflict("it was sealed with another SECRET_KEY, or changed: store it again") from None
    return text.decode()


def _cipher(secret_key: str) -> AESGCM:
    # The same key signs forms and tickets; what is made of it for one purpose helps with no other (RFC 5869).
    made = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret_key.encode())
    return AESGCM(made)
