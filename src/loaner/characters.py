"""Characters that show nothing, that turn the direction of writing, or that pass for others.

What a person reads has to be what happens. So every surface (pages, elicitation messages, told errors, status, the
command line, records) shows such a character as its number, ``U+202E``, through this one module; names refuse them.

Sources: the Unicode Character Database (``Default_Ignorable_Code_Point``, general categories, names), UAX #9 and the
"Trojan Source" report on bidirectional text, UTS #39 §5.1 on mixed scripts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

# Default_Ignorable_Code_Point of DerivedCoreProperties.txt, Unicode 17.0: fillers, joiners, variation selectors, tags.
# Python's own data lacks this property. A test compares the table with another implementation of it.
DEFAULT_IGNORABLE: Final = (
    (0xAD, 0xAD),
    (0x34F, 0x34F),
    (0x61C, 0x61C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
_HIDDEN: Final = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp", "Zs"})
"""Whatever is no letter, mark, number, sign or symbol that this Python knows, and every blank."""
_BLANK: Final = frozenset("\u2800\ufffc\U00013441\U00013442\U00016fe4\U0001d159")
"""What has another category and shows nothing all the same: braille, hieroglyphic and musical blanks."""
_NUMBER: Final = re.compile(r"U\+[0-9A-F]{4,6}")
_JOINER, _AS_EMOJI = "\u200d", "\ufe0f"
_COMMON: Final = frozenset({"MICRO", "FEMININE", "MASCULINE"})
"""First words of the names of letters that stand beside any script: µ, ª, º."""
_TOGETHER: Final = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
)
"""Scripts that one word may mix: UTS #39 §5.2, "highly restrictive"."""


def is_hidden(letter: str) -> bool:
    """Does this one character show nothing by itself, or move what stands around it?"""
    if letter == " ":
        return False
    number = ord(letter)
    return (
        unicodedata.category(letter) in _HIDDEN
        or letter in _BLANK
        or any(first <= number <= last for first, last in DEFAULT_IGNORABLE)
    )


def hides(name: str) -> str:
    """The first hidden character of a name, as its number; empty where there is none."""
    if name.isascii() and name.isprintable():
        return ""
    return next((_number(letter) for letter in name if is_hidden(letter)), "")


def marked(text: str, *, prose: bool = False) -> str:
    """``text`` with numbers in place of what would not be seen as it is. Saying it twice changes nothing."""
    return "".join(piece for piece, _ in pieces(text, prose=prose))


def pieces(text: str, *, prose: bool = False) -> Iterator[tuple[str, bool]]:
    """The same in parts, each with whether it is such a number.

    ``prose``: a text that is written somewhere, where line breaks and emoji are what they are. Anything else is one
    line, in which a word that mixes scripts is marked however its parts are joined.
    """
    if text.isascii() and text.isprintable():
        if text:
            yield text, False
        return
    at = 0
    for place in sorted(_hiding(text, prose=prose) | _passing(text, prose=prose)):
        if place > at:
            yield text[at:place], False
        yield _number(text[place]), True
        at = place + 1
    if at < len(text):
        yield text[at:], False


def _hiding(text: str, *, prose: bool) -> set[int]:
    hidden = {letter for letter in set(text) if is_hidden(letter)} - set("\n\t" if prose else "")
    if not hidden:
        return set()
    places = {found.start() for found in re.finditer(f"[{re.escape(''.join(hidden))}]", text)}
    if prose and hidden & {_JOINER, _AS_EMOJI}:
        places -= {place for place in places if _is_in_emoji(text, place)}
    return places


def _is_in_emoji(text: str, place: int) -> bool:
    """A joiner between two pictures, or the selector after one, hides nothing (UTS #51)."""
    letter, before, after = text[place], text[max(place - 2, 0) : place], text[place + 1 : place + 2]
    if letter == _AS_EMOJI:
        return _is_picture(before[-1:])
    pictured = _is_picture(before[-1:]) or (before[-1:] == _AS_EMOJI and _is_picture(before[:1]))
    return letter == _JOINER and pictured and _is_picture(after)


def _is_picture(letter: str) -> bool:
    """A visible symbol, or the tone of one's skin."""
    is_tone = "\U0001f3fb" <= letter <= "\U0001f3ff"
    return bool(letter) and (is_tone or (unicodedata.category(letter) == "So" and letter not in _BLANK))


def _passing(text: str, *, prose: bool) -> set[int]:
    """Letters of another script in the middle of a word: they are there to be taken for others."""
    # Δt and kΩ stand in honest texts.
    scripts = {letter: "" if prose and _script(letter) == "GREEK" else _script(letter) for letter in set(text)}
    if not set(scripts.values()) - {"", "LATIN"}:
        return set()
    numbers = {at for found in _NUMBER.finditer(text) for at in range(*found.span())}  # marks of an earlier time
    places: set[int] = set()
    for word in re.finditer(r"\w+" if prose else r"\S+", text):
        letters = {at: scripts[text[at]] for at in range(*word.span()) if scripts[text[at]] and at not in numbers}
        known = list(letters.values())
        if not any(set(known) <= together for together in (*_TOGETHER, {*known[:1]})):
            own = "LATIN" if "LATIN" in known else known[0]
            places |= {at for at, script in letters.items() if script != own}
    return places


def _script(letter: str) -> str:
    """The first word of a letter's name, which is its script; empty for what belongs to all. Letters made of others
    (``MATHEMATICAL``, ``FULLWIDTH``, ``KELVIN SIGN``) count as scripts of their own."""
    if letter.isascii():
        return "LATIN" if letter.isalpha() else ""
    if unicodedata.category(letter) not in {"Lu", "Ll", "Lt", "Lo"}:
        return ""
    first = unicodedata.name(letter, "").partition(" ")[0]
    return "" if first in _COMMON else first


def _number(letter: str) -> str:
    return f"U+{ord(letter):04X}"
