"""What secrets look like: made here, told once, kept as a hash.

A session's secret has 256 bits. An API key is `sk_live_`, 43 base62 characters of 256 bits, and a checksum of six:
a scanner finds one that leaked by its form, and one that was cut off or mistyped is refused without a look-up.
The token of an invitation is the same, but for its beginning `sk_inv_`; that of the import surface has its id
before it, `<id>|sk_tok_…`, as its clients know it.
With that much chance in them a plain SHA-256 is as good as a slow hash, and answers at once.
"""

import base64
import hashlib
import hmac
import re
import secrets
import string
import zlib
from uuid import UUID

BITS = 256
KEY_MARK = "sk_live_"
INVITATION_MARK = "sk_inv_"
TOKEN_MARK = "sk_tok_"  # noqa: S105 - how one begins
KEY_FORM = re.compile(r"sk_live_[0-9A-Za-z]{49}")
"""What a scanner for leaked secrets looks for."""

INVITATION_FORM = re.compile(r"sk_inv_[0-9A-Za-z]{49}")
TOKEN_FORM = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\|sk_tok_[0-9A-Za-z]{49}")

_MARKED = re.compile(r"(sk_(?:live|inv|tok)_)[0-9A-Za-z]{5,}")
_TOKEN_FORM = re.compile(r"[A-Za-z0-9_-]{43}")
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BODY_LENGTH = 43  # 62**43 > 2**256
_CHECK_LENGTH = 6  # 62**6 > 2**32
_SHOWN = len(KEY_MARK) + 4


def new_session_token() -> str:
    return secrets.token_urlsafe(BITS // 8)


def is_session_token(text: str) -> bool:
    """Whether it can be one at all."""
    return _TOKEN_FORM.fullmatch(text) is not None


def csrf_token(session_token: str) -> str:
    """What a page must send beside the cookie: made from the session's secret, so nothing is stored for it.

    Whoever reads it cannot tell the secret from it.
    """
    digest = hashlib.sha256(b"csrf:" + session_token.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def same_secret(one: str, other: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell how far."""
    return hmac.compare_digest(one.encode(), other.encode())


def new_api_key() -> str:
    return _marked(KEY_MARK)


def is_api_key(text: str) -> bool:
    """Whether it has the form and the checksum of one."""
    return KEY_FORM.fullmatch(text) is not None and _is_whole(text)


def new_invitation_token() -> str:
    """What somebody who is invited proves it with: like a key, under another mark."""
    return _marked(INVITATION_MARK)


def is_invitation_token(text: str) -> bool:
    return INVITATION_FORM.fullmatch(text) is not None and _is_whole(text)


def new_import_token(token_id: UUID) -> str:
    """What a program of the import surface proves with for whom it acts."""
    return f"{token_id}|{_marked(TOKEN_MARK)}"


def is_import_token(text: str) -> bool:
    return TOKEN_FORM.fullmatch(text) is not None and _is_whole(text.partition("|")[2])


def prefix_of(key: str) -> str:
    """The beginning by which its owner knows a key again; the 43 characters of chance lose four."""
    return key[:_SHOWN]


def masked(text: str) -> str:
    """A text without the keys, tokens and invitations that somebody has put into it."""
    return _MARKED.sub(r"\1***", text) if "sk_" in text else text


def last4_of(key: str) -> str:
    return key[-4:]


def hash_of(secret: str) -> bytes:
    """What is stored of a session's secret or an API key."""
    return hashlib.sha256(secret.encode()).digest()


def _marked(mark: str) -> str:
    body = mark + _base62(secrets.randbits(BITS), _BODY_LENGTH)
    return body + _checksum(body)


def _is_whole(text: str) -> bool:
    return same_secret(_checksum(text[:-_CHECK_LENGTH]), text[-_CHECK_LENGTH:])


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECK_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
