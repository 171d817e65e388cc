"""Seals texts with the key of a person (AES-256-GCM), and opens them. Whoever has no key has nothing.

A sealed text is base64url of the key's id, a nonce, and the cipher with its tag. It is bound to one place: changed, or
put elsewhere, it does not open.
"""

import base64
import binascii
import hmac
import secrets
from uuid import UUID, uuid4

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.errors import PermanentError

ID_BYTES, NONCE_BYTES, TAG_BYTES = 16, 12, 16
CIPHER_BYTES, SECRET_BYTES = 32, 64


class BrokenSealError(PermanentError):
    """The text was not sealed, not for this place, or was changed since."""


class PersonKey(msgspec.Struct, frozen=True):
    """A key of one person. The first half of its secret is for sealing, the other one for marks."""

    id: UUID
    secret: bytes

    def __repr__(self) -> str:
        return f"PersonKey({self.id}, ***)"

    def seal(self, text: str, place: str) -> str:
        """Another one each time, also of the same text."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        cipher = AESGCM(self.secret[:CIPHER_BYTES]).encrypt(nonce, text.encode(), place.encode())
        return base64.urlsafe_b64encode(self.id.bytes + nonce + cipher).decode()

    def unseal(self, sealed: str, place: str) -> str:
        content = _content(sealed)[ID_BYTES:]
        nonce, cipher = content[:NONCE_BYTES], content[NONCE_BYTES:]
        try:
            return AESGCM(self.secret[:CIPHER_BYTES]).decrypt(nonce, cipher, place.encode()).decode()
        except InvalidTag:
            raise _broken(f"key {self.id} does not open it at {place}") from None

    def mark(self, text: str) -> str:
        """Tells texts of this person apart, and nothing of them to whoever lacks the key."""
        return hmac.digest(self.secret[CIPHER_BYTES:], text.encode(), "sha256").hex()


def new_key() -> PersonKey:
    return PersonKey(uuid4(), secrets.token_bytes(SECRET_BYTES))


def key_id(sealed: str) -> UUID:
    """The id of the key that opens this text; a `BrokenSealError` for what was never sealed."""
    return UUID(bytes=_content(sealed)[:ID_BYTES])


def _content(sealed: str) -> bytes:
    try:
        content = base64.b64decode(sealed, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _broken("it is no base64url") from None
    if len(content) < ID_BYTES + NONCE_BYTES + TAG_BYTES:
        raise _broken("it is too short")
    return content


def _broken(why: str) -> BrokenSealError:
    return BrokenSealError(f"a sealed text cannot be opened: {why}; hold the topic against the store by `store audit`")
