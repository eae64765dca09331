"""Addresses that say nothing: the numbers of posts and people, as words that only this bot can read."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from storage import disk

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32
_ROUNDS = 6
_HALF = 32
_MASK = (1 << _HALF) - 1
LENGTH = 13
"""Letters of a word."""
KEY_BYTES = 32


class Veil:
    """Makes words of 64-bit numbers and back: a Feistel network, with BLAKE2b under a key as its rounds.

    Who has many words knows no other number and no other word. In each server the words are others, so nobody
    is recognised from one in another.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def kept_in(cls, path: Path) -> Veil:
        """With the key in a file, which is made if there is none. Blocks.

        Raises:
            OSError: the file cannot be read or written.
        """
        if not path.is_file() or len(key := path.read_bytes()) != KEY_BYTES:
            key = secrets.token_bytes(KEY_BYTES)
            disk.write_durably({path: key})
            path.chmod(0o600)
        return cls(key)

    def word(self, kind: str, server: int, number: int) -> str:
        """The word for a number below 2^64 of some kind."""
        left, right = number >> _HALF, number & _MASK
        for turn in range(_ROUNDS):
            left, right = right, left ^ self._mixed(kind, server, turn, right)
        value = left << _HALF | right
        return "".join(_ALPHABET[value >> 5 * place & 31] for place in reversed(range(LENGTH)))

    def number(self, kind: str, server: int, word: str) -> int | None:
        """The number of a word, be it of something or of nothing; None for what can be no word."""
        if len(word) != LENGTH or not set(word) <= set(_ALPHABET):
            return None
        value = 0
        for letter in word:
            value = value << 5 | _ALPHABET.index(letter)
        if value >= 1 << 2 * _HALF:
            return None
        left, right = value >> _HALF, value & _MASK
        for turn in reversed(range(_ROUNDS)):
            left, right = right ^ self._mixed(kind, server, turn, left), left
        return left << _HALF | right

    def _mixed(self, kind: str, server: int, turn: int, half: int) -> int:
        said = f"{kind} {server} {turn} {half}".encode()
        return int.from_bytes(hashlib.blake2b(said, digest_size=4, key=self._key).digest(), "big")
