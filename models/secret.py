"""Secrets that we hand out are stored only as hashes."""

import hashlib


def digest(secret: str) -> str:
    """SHA-256 in hex: right for secrets of 128 random bits and more (ASVS 5.0, 6.5.2), not for passwords."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
