"""What a log must not tell, and what it must not do to a terminal."""

import re
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from types import NoneType
from typing import Any

from domain.access.credentials import masked

HIDDEN = "***"
_DEPTH_MAX = 6

_SECRET_KEY = re.compile(
    r"passw|passphrase|pwd|secret|token|authori[sz]ation|cookie|api.?key|csrf|credential|dsn|^session(.?id)?$|^sid$",
    re.IGNORECASE,
)
_SECRET_TEXTS = (
    (re.compile(r"(://[^:/@\s]*):[^@\s]*@"), rf"\1:{HIDDEN}@"),
    (re.compile(r"\b(Bearer|Basic)\s+[^\s,;\"']+", re.IGNORECASE), rf"\1 {HIDDEN}"),
)
_VALUES = (
    # The database adds the row that it refused, whole.
    (re.compile(r"\nDETAIL:.*", re.DOTALL), ""),
    (re.compile(r"(invalid input for query argument \$\d+: ).*", re.DOTALL), rf"\1{HIDDEN}"),
    (re.compile(r"(invalid input (?:syntax|value) for [^:]*: ).*", re.DOTALL), rf"\1{HIDDEN}"),
)
_PLAIN = (int, float, NoneType)
# The C0 and C1 controls and DEL, which a terminal obeys; and the two that only some take for a line's end.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DELETE = b"\x7f"
_MULTILINE_KEYS = frozenset({"exception", "stack"})


def mask_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide the values of keys that sound like secrets, and secrets that stand inside texts."""
    for key, value in event.items():
        event[key] = _masked(key, value, 0)
    return event


def escape_controls(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Show control characters instead of sending them, so that no text forges a line or colours a terminal."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _escaped(value, keep_lines=key in _MULTILINE_KEYS)
    return event


def hide_values(text: str) -> str:
    """What an exception says without the values that a database error repeats."""
    for pattern, replacement in _VALUES:
        text = pattern.sub(replacement, text)
    return text


def escape_json(line: bytes) -> bytes:
    """The same JSON without the controls that the format lets through and a terminal obeys."""
    if line.isascii() and _DELETE not in line:
        return line
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", line.decode()).encode()


def _masked(key: str, value: Any, depth: int) -> Any:
    if value is not None and _is_secret(key):
        return HIDDEN
    if isinstance(value, str):
        return _masked_text(value)
    if isinstance(value, _PLAIN):
        return value  # asking whether a number is a mapping takes longer than all else
    if isinstance(value, Mapping) and depth < _DEPTH_MAX:
        return {name: _masked(str(name), inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple) and depth < _DEPTH_MAX:
        return [_masked("", inner, depth + 1) for inner in value]
    return value


@lru_cache(maxsize=1024)  # the keys of a log are few and come back
def _is_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def _masked_text(text: str) -> str:
    # Looking for short texts is far cheaper than the patterns, and nearly always enough.
    if "://" in text or "bearer" in (small := text.lower()) or "basic" in small:
        for pattern, replacement in _SECRET_TEXTS:
            text = pattern.sub(replacement, text)
    return masked(text)


def _escaped(text: str, *, keep_lines: bool) -> str:
    def show(found: re.Match[str]) -> str:
        return found[0] if keep_lines and found[0] in "\n\t" else ascii(found[0])[1:-1]

    return _CONTROL.sub(show, text)
