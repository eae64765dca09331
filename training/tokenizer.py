"""Learns the byte-level BPE of the captions, in CLIP's own form: its normaliser, alphabet and token order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from transformers import CLIPTokenizer

MAX_TOKENS = 77
START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"


def learn_tokenizer(words: Iterable[str], *, vocab_size: int = 1024) -> CLIPTokenizer:
    """A CLIPTokenizer in which every one of `words` is a single token; anything else falls into pieces.

    Token order is CLIP's: 256 bytes, 256 bytes that end a word, merges, start, end.
    """
    blank = CLIPTokenizer().backend_tokenizer
    pieces = {
        piece
        for word in words
        for piece, _ in blank.pre_tokenizer.pre_tokenize_str(blank.normalizer.normalize_str(word))
    }
    merges = learn_merges(pieces, most=vocab_size - 2 * 256 - 2)

    alphabet = _byte_alphabet()
    tokens = [*alphabet, *(letter + WORD_END for letter in alphabet)]
    known = set(tokens)
    for left, right in merges:
        if left + right not in known:
            known.add(left + right)
            tokens.append(left + right)
    vocab = {token: index for index, token in enumerate([*tokens, START, END])}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=MAX_TOKENS)


def learn_merges(pieces: Iterable[str], *, most: int) -> list[tuple[str, str]]:
    """Byte-pair encoding (Sennrich et al. 2016): again and again the pair that is found most often.

    Of pairs that are found equally often it is the first in the alphabet. The library's own trainer takes any
    of them, so that the same words got other ids in every process, and a model other words.
    """
    spelled = [[*piece[:-1], piece[-1] + WORD_END] for piece in sorted(pieces)]
    merges: list[tuple[str, str]] = []
    while len(merges) < most:
        counts = Counter(pair for symbols in spelled for pair in pairwise(symbols))
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        spelled = [_merged(symbols, best) for symbols in spelled]
    return merges


def _merged(symbols: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for symbol in symbols:
        if merged and (merged[-1], symbol) == pair:
            merged[-1] += symbol
        else:
            merged.append(symbol)
    return merged


def save_tokenizer(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Writes tokenizer.json and its config, and vocab.json and merges.txt for older readers (same ids)."""
    tokenizer.backend_tokenizer.no_padding()  # else the last call's settings are written too
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.save_pretrained(folder)
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    ids = dict(model["vocab"])
    (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _byte_alphabet() -> list[str]:
    """The printable stand-ins for the 256 bytes, in the order of `bytes_to_unicode` (GPT-2, CLIP)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    shifted = [256 + index for index in range(256 - len(plain))]
    return [chr(code) for code in (*plain, *shifted)]
