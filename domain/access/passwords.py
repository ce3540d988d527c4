"""What a new password must be: long, and not what a guesser tries first.

Length decides (NIST SP 800-63B: 15 characters where a password is all that is asked for; no rules of composition).
At that length what is guessed is what people lengthen: a common word and a row of digits, a word twice, a run over
the keyboard, the own name. So all of that is taken out, and enough must be left. Nothing is asked of a network.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from domain.errors import FieldError

SHORTEST = 15
LONGEST_BYTES = 1024
_LEFT = 8
"""How many characters must be left that are neither common, nor one's own, nor in a row."""
_DISTINCT = 6
_WORD_SHORTEST = 4

COMMON = tuple(Path(__file__).with_name("common_passwords.txt").read_text(encoding="utf-8").split())
"""What lists of broken passwords are made of, in a few words."""
_ROWS = (
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "qsdfghjklm",
    "yxcvbnm",
    "zxcvbnm",
    "!@#$%^&*()",
    '!"§$%&/()=',
)
_NEXT = {pair for row in (*_ROWS, *(row[::-1] for row in _ROWS)) for pair in itertools.pairwise(row)}
_DISGUISED = str.maketrans("@4031!$57", "aaoeiisst")
_SEPARATORS = re.compile(r"[\s._-]+")
_REPEATED = re.compile(r"(.{1,64}?)\1+", re.DOTALL)


def refuse_weak(password: str, *, of: Iterable[str] = (), field: str = "newPassword") -> None:
    """Refuse a password that is short, too long, or guessed early.

    `of` are facts of its owner: name, address, company. The password is judged exactly as it was given.

    Raises:
        FieldError: it is, with a sentence that says what to do.
    """
    if len(password) < SHORTEST:
        raise FieldError((field, f"must have at least {SHORTEST} characters; several words are a good choice"))
    if len(password.encode("utf-8", "surrogatepass")) > LONGEST_BYTES:
        raise FieldError((field, f"must have at most {LONGEST_BYTES} bytes"))
    if is_guessable(password, of=of):
        raise FieldError((field, "is too easily guessed: take some words that do not belong together"))


def is_guessable(password: str, *, of: Iterable[str] = ()) -> bool:
    """Whether what is left of it, without what guessers try first, is too little."""
    text = _joined(password)
    words = sorted((*COMMON, *_own(of)), key=len, reverse=True)
    return any(_left(spelt, words) < _LEFT for spelt in (text, text.translate(_DISGUISED)))


def _left(text: str, words: Iterable[str]) -> int:
    if len(set(text)) < _DISTINCT:
        return 0
    for word in words:
        text = text.replace(word, " ")
    text = _REPEATED.sub(r"\1", text)
    left = (char for before, char in itertools.pairwise(f" {text}") if (before, char) not in _NEXT)
    return sum(char != " " for char in left)


def _joined(text: str) -> str:
    """Without what merely separates words."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", text).casefold())


def _own(facts: Iterable[str]) -> Iterable[str]:
    for fact in facts:
        for word in re.split(r"[\W_]+", unicodedata.normalize("NFKC", fact).casefold()):
            if len(word) >= _WORD_SHORTEST:
                yield word
