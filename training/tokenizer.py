"""Learns the byte-level BPE of the captions, in CLIP's own form: its normaliser, alphabet and token order."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, models, trainers
from transformers import CLIPTokenizer

MAX_TOKENS = 77
START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"


def learn_tokenizer(words: Iterable[str], *, vocab_size: int = 1024) -> CLIPTokenizer:
    """A CLIPTokenizer in which every one of `words` is a single token; anything else falls into pieces.

    Token order is CLIP's: 256 bytes, 256 bytes that end a word, merges, start, end.
    """
    blank = CLIPTokenizer().backend_tokenizer
    learner = Tokenizer(models.BPE(end_of_word_suffix=WORD_END))
    learner.normalizer = blank.normalizer
    learner.pre_tokenizer = blank.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=1, end_of_word_suffix=WORD_END, show_progress=False
    )
    learner.train_from_iterator(sorted(words), trainer)
    merges = [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]

    alphabet = _byte_alphabet()
    tokens = [*alphabet, *(letter + WORD_END for letter in alphabet)]
    known = set(tokens)
    for left, right in merges:
        if left + right not in known:
            known.add(left + right)
            tokens.append(left + right)
    vocab = {token: index for index, token in enumerate([*tokens, START, END])}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=MAX_TOKENS)


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
