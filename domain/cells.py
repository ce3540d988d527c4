"""Texts in cells of a table that a spreadsheet may open.

A text that a spreadsheet would take for a formula gets an apostrophe in front, and so does one that begins with
apostrophes before such a text: `plain_text` takes it away again, so that nothing is lost.
"""

_RISKY = frozenset("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20")
"""What a formula begins with; some spreadsheets take the wide forms of these characters for the same."""


def safe_text(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if _is_risky(text) else text


def plain_text(cell: str) -> str:
    """The text that `safe_text` made a cell of."""
    return cell[1:] if cell.startswith("'") and _is_risky(cell) else cell


def _is_risky(text: str) -> bool:
    return text.lstrip("'")[:1] in _RISKY
