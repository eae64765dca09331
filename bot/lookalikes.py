"""Letters that look like Latin ones, and what else is written in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def _pairs(*groups: str) -> Mapping[str, str]:
    """Of groups like "a аɑᴀ": the letter, and those that look like it."""
    return {like: group[0] for group in groups for like in group[2:]}


SMALL: Mapping[str, str] = _pairs(
    "a аαɑɐᴀ",
    "b вьβɓƀƅʙᴃ",
    "c сϲςɕƈᴄ",
    "d ԁđɖɗᴅ",
    "e еєεəɛɘᴇ",
    "f ƒꜰ",
    "g ɡɢցǥ",
    "h нһհħɦʜ",
    "i іιıɨɩɪ",
    "j јϳʝȷᴊ",
    "k кκƙᴋ",
    "l ӏłɫɭʟ",
    "m мɱᴍ",
    "n пηոɳɲŋɴ",
    "o оοσօøɵᴏ",
    "p рρƥᴘ",
    "q ԛզʠ",
    "r гʀɹɾ",
    "s ѕƨʂꜱ",
    "t тτŧƭʈᴛ",
    "u υսμʉʊᴜ",
    "v νѵʋᴠ",
    "w ωԝʍᴡ",
    "x хχ",
    "y уүγʏƴ",
    "z ʐʑƶᴢ",
)
"""Letters as they are in lower case, of Cyrillic, Greek, Armenian, and of Latin with a stroke or a hook."""

CAPITAL: Mapping[str, str] = _pairs(
    "a Ꭺ",
    "b Ᏼ",
    "c Ꮯ",
    "d Ꭰ",
    "e Ꭼ",
    "g Ꮐ",
    "h ΗᎻ",
    "j Ꭻ",
    "k Ꮶ",
    "l Ꮮ",
    "m ΜᎷ",
    "n Ν",
    "p Ꮲ",
    "r Ꭱ",
    "s Ꮪ",
    "t Ꭲ",
    "v Ꮩ",
    "w Ꮃ",
    "y Υ",
    "z Ꮓ",
)
"""Capitals that look like another letter than their small ones do."""


def _signs() -> Iterator[tuple[int, str]]:
    for first in (0x1F150, 0x1F170, 0x1F1E6):  # white in circles, white in squares, of flags
        for number in range(26):
            yield first + number, chr(ord("a") + number)


SIGNS: Mapping[int, str] = dict(_signs())
"""Signs that are letters, for `str.translate`; NFKC knows the others."""

DIGITS: Mapping[str, str] = {
    "0": "o",
    "1": "i",
    "3": "e",
    "4": "a",
    "5": "s",
    "7": "t",
    "8": "b",
    "9": "g",
    "@": "a",
    "$": "s",
    "!": "i",
    "€": "e",
}
"""Digits and signs that are written for letters; 1 and ! may also stand for an l."""
EITHER = frozenset("1!")
