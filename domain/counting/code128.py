"""Code 128 (ISO/IEC 15417), code set B: what scanners of warehouses read, as widths of bars and gaps.

A text is its start sign, a sign for each character, a check sign and the stop sign. Characters are those of ASCII
that can be printed; others have no sign in this set.
"""

_TABLE = (
    "212222222122222221121223121322131222122213122312132212221213221312231212112232122132122231113222"
    "123122123221223211221132221231213212223112312131311222321122321221312212322112322211212123212321"
    "232121111323131123131321112313132113132311211313231113231311112133112331132131113123113321133121"
    "313121211331231131213113213311213131311123311321331121312113312311332111314111221411431111111224"
    "111422121124121421141122141221112214112412122114122411142112142211241211221114413111241112134111"
    "111242121142121241114212124112124211411212421112421211212141214121412121111143111341131141114113"
    "114311411113411311113141114131311141411131211412211214211232"
)
"""Six digits for each sign: three bars and three gaps, eleven modules in all."""
_WIDTHS = [_TABLE[at : at + 6] for at in range(0, len(_TABLE), 6)]
_START_B, _STOP = 104, "2331112"
_CHECK = 103
_FIRST, _LAST = " ", "~"
LONGEST = 40
"""Longer ones are wider than a sheet of paper."""


def can_be_read(text: str) -> bool:
    """Whether a text can stand as a barcode that fits on paper."""
    return 0 < len(text) <= LONGEST and all(_FIRST <= char <= _LAST for char in text)


def widths_of(text: str) -> str:
    """A digit for each bar and gap in turn, beginning and ending with a bar: how many modules wide it is.

    Raises:
        ValueError: a character has no sign.
    """
    if not all(_FIRST <= char <= _LAST for char in text):
        message = "has characters that code set B does not have"
        raise ValueError(message)
    signs = [ord(char) - ord(_FIRST) for char in text]
    check = (_START_B + sum(place * sign for place, sign in enumerate(signs, start=1))) % _CHECK
    return "".join(_WIDTHS[sign] for sign in (_START_B, *signs, check)) + _STOP
