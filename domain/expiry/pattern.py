"""Patterns of lot numbers: a subset of regular expressions that is matched in linear time.

Users write these patterns, so a backtracking matcher would let one of them stop the process. Here a pattern
becomes an automaton of its positions (Glushkov), followed all at once: the cost is at most positions x characters,
and both are bounded. Left out on purpose: look-around, back references, word boundaries, flags.
"""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

POSITIONS_MAX = 400
DEEPEST = 8
REPEATS_MAX = 64

_CLASSES: dict[str, tuple[tuple[str, str], ...]] = {
    "d": (("0", "9"),),
    "w": (("0", "9"), ("A", "Z"), ("a", "z"), ("_", "_")),
}
_BOUNDS: dict[str, tuple[int, int | None]] = {"?": (0, 1), "*": (0, None), "+": (1, None)}
_SPECIAL = frozenset(".[](){}?*+|^$\\")


class _Chars(msgspec.Struct, frozen=True):
    """One character out of ranges, or any outside of them."""

    ranges: tuple[tuple[str, str], ...]
    is_negated: bool = False

    def accepts(self, char: str) -> bool:
        return any(low <= char <= high for low, high in self.ranges) != self.is_negated


class _Sequence(msgspec.Struct, frozen=True):
    parts: "tuple[_Node, ...]"


class _Choice(msgspec.Struct, frozen=True):
    parts: "tuple[_Node, ...]"


class _Repeat(msgspec.Struct, frozen=True):
    part: "_Node"
    least: int
    most: int | None


type _Node = _Chars | _Sequence | _Choice | _Repeat


class LotPattern:
    """A compiled pattern; it must fit a lot number as a whole."""

    def __init__(self, text: str) -> None:
        """Compile a pattern.

        Raises:
            ValueError: it is outside of the subset, or too large.
        """
        node = _Parser(text).parsed()
        if _positions(node) > POSITIONS_MAX:
            message = "is too large: use fewer or smaller repetitions"
            raise ValueError(message)
        self._symbols: list[_Chars] = []
        self._follow: list[int] = []
        self._is_nullable, self._first, self._last = self._add(node)

    def fits(self, number: str) -> bool:
        allowed, reached = self._first, 0
        accepting: dict[str, int] = {}
        for char in number:
            if char not in accepting:
                accepting[char] = sum(1 << n for n, symbol in enumerate(self._symbols) if symbol.accepts(char))
            reached = allowed & accepting[char]
            allowed = 0
            for n in _bits(reached):
                allowed |= self._follow[n]
        return bool(reached & self._last) if number else self._is_nullable

    def _add(self, node: _Node) -> tuple[bool, int, int]:
        """Add a part's positions: whether it may be empty, and which positions it can begin and end with."""
        match node:
            case _Chars():
                self._symbols.append(node)
                self._follow.append(0)
                bit = 1 << (len(self._symbols) - 1)
                return False, bit, bit
            case _Sequence(parts):
                return self._chain([self._add(part) for part in parts])
            case _Choice(parts):
                is_nullable, first, last = False, 0, 0
                for part in parts:
                    one = self._add(part)
                    is_nullable, first, last = is_nullable or one[0], first | one[1], last | one[2]
                return is_nullable, first, last
            case _Repeat():
                return self._add_repeated(node)

    def _add_repeated(self, node: _Repeat) -> tuple[bool, int, int]:
        """As many copies as it may have, those beyond the least optional; without a most, the last one loops."""
        count = max(node.least, 1) if node.most is None else node.most
        copies = [self._add(node.part) for _ in range(count)]
        if node.most is None:
            self._link(copies[-1][2], copies[-1][1])
        return self._chain(
            [(n >= node.least or empty, first, last) for n, (empty, first, last) in enumerate(copies)]
        )

    def _chain(self, parts: Sequence[tuple[bool, int, int]]) -> tuple[bool, int, int]:
        is_nullable, first, last = True, 0, 0
        for one_nullable, one_first, one_last in parts:
            self._link(last, one_first)
            if is_nullable:
                first |= one_first
            last = one_last | (last if one_nullable else 0)
            is_nullable = is_nullable and one_nullable
        return is_nullable, first, last

    def _link(self, ends: int, begins: int) -> None:
        for n in _bits(ends):
            self._follow[n] |= begins


@lru_cache(maxsize=1024)
def lot_pattern(text: str) -> LotPattern:
    """A pattern, compiled once.

    Raises:
        ValueError: it is outside of the subset, or too large.
    """
    return LotPattern(text)


def _bits(mask: int) -> Sequence[int]:
    found = []
    while mask:
        lowest = mask & -mask
        found.append(lowest.bit_length() - 1)
        mask ^= lowest
    return found


def _positions(node: _Node) -> int:
    """How many positions a part unfolds to; known before any of them is made."""
    match node:
        case _Chars():
            return 1
        case _Sequence(parts) | _Choice(parts):
            return sum(_positions(part) for part in parts)
        case _Repeat(part, least, most):
            return _positions(part) * max(least, most or 0, 1)


class _Parser:
    def __init__(self, text: str) -> None:
        # The whole number must fit in any case; who anchors the pattern says the same.
        text = text.removeprefix("^")
        if text.endswith("$") and not text.endswith("\\$"):
            text = text[:-1]
        self._text = text
        self._at = 0
        self._depth = 0

    def parsed(self) -> _Node:
        node = self._choice()
        if self._at < len(self._text):
            raise self._problem(f"has a {self._text[self._at]!r} too many")
        return node

    def _problem(self, message: str) -> ValueError:
        return ValueError(f"{message} (at character {self._at + 1})")

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _next(self) -> str:
        char = self._peek()
        if not char:
            raise self._problem("ends too early")
        self._at += 1
        return char

    def _choice(self) -> _Node:
        parts = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else _Choice(tuple(parts))

    def _sequence(self) -> _Node:
        parts: list[_Node] = []
        while self._peek() not in {"", "|", ")"}:
            parts.append(self._repeated(self._atom()))
        return parts[0] if len(parts) == 1 else _Sequence(tuple(parts))

    def _repeated(self, part: _Node) -> _Node:
        bounds = self._bounds() if self._peek() == "{" else _BOUNDS.get(self._peek())
        if bounds is None:
            return part
        self._at += 1
        if self._peek() == "{" or self._peek() in _BOUNDS:
            raise self._problem("repeats a repetition")
        return _Repeat(part, *bounds)

    def _bounds(self) -> tuple[int, int | None]:
        """`{3}`, `{3,}` or `{3,5}`; leaves the closing brace to be passed."""
        end = self._text.find("}", self._at)
        low, comma, high = self._text[self._at + 1 : end].partition(",") if end > 0 else ("", "", "")
        if not _is_number(low) or not (high == "" or _is_number(high)):
            raise self._problem("needs {3}, {3,} or {3,5} here")
        least = int(low)
        most = int(high) if high else None if comma else least
        if max(least, most or 0) > REPEATS_MAX or (most is not None and most < least):
            raise self._problem(f"repeats at most {REPEATS_MAX} times, the smaller number first")
        self._at = end
        return least, most

    def _atom(self) -> _Node:
        char = self._next()
        if char == "(":
            return self._group()
        if char == "[":
            return self._class()
        if char == "\\":
            return _Chars(self._escaped())
        if char == ".":
            return _Chars((), is_negated=True)
        if char in _SPECIAL:
            self._at -= 1
            raise self._problem(f"has a {char!r} that stands for nothing here; write \\{char} for the character")
        return _Chars(((char, char),))

    def _group(self) -> _Node:
        if self._text.startswith("?:", self._at):
            self._at += 2
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._problem(f"nests groups deeper than {DEEPEST}")
        node = self._choice()
        if self._next() != ")":
            raise self._problem("lacks a closing parenthesis")
        self._depth -= 1
        return node

    def _escaped(self) -> tuple[tuple[str, str], ...]:
        char = self._next()
        if char in _CLASSES:
            return _CLASSES[char]
        if char.isalnum():
            raise self._problem(f"knows no \\{char}; there are \\d, \\w and escaped signs")
        return ((char, char),)

    def _class(self) -> _Node:
        is_negated = self._peek() == "^"
        self._at += is_negated
        ranges: list[tuple[str, str]] = []
        while (char := self._next()) != "]":
            if char == "[":
                raise self._problem("needs \\[ inside of a class")
            low = self._escaped() if char == "\\" else ((char, char),)
            ranges += self._range(low)
        if not ranges:
            raise self._problem("has an empty class")
        return _Chars(tuple(ranges), is_negated=is_negated)

    def _range(self, low: tuple[tuple[str, str], ...]) -> Sequence[tuple[str, str]]:
        if self._peek() != "-" or self._text[self._at + 1 : self._at + 2] in {"]", ""}:
            return low
        self._at += 1
        char = self._next()
        high = self._escaped() if char == "\\" else ((char, char),)
        (first, _), (last, _) = low[0], high[0]
        if len(low) > 1 or len(high) > 1 or low[0][0] != low[0][1] or high[0][0] != high[0][1] or last < first:
            raise self._problem("has a range that runs backwards or has no ends")
        return [(first, last)]


def _is_number(text: str) -> bool:
    return len(text) in {1, 2} and text.isascii() and text.isdigit()
