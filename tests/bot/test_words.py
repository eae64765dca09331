"""Which words were learned, in a message."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from bot.apologies import MAX_SAID
from bot.commands.words import told
from generation.embeddings import Embeddings
from generation.shelf import Shelf
from tests.bot.things import MODEL, SHELF


def learn(folder: Path, word: str, width: int) -> None:
    save_file({"emb_params": np.zeros((1, width), np.float32)}, folder / f"{word}.safetensors")


def test_no_words_are_told_as_none() -> None:
    assert told(SHELF).startswith("No words were learned")


def test_very_many_words_for_very_many_models_fit_into_a_message(tmp_path: Path) -> None:
    models = []
    for width in (16, 32, 48, 64):
        for number in range(4):
            name = f"{'model ' * 15}{width} {number}"
            models.append(replace(MODEL, name=name, source=name, text_widths=(width,)))
        for number in range(12):
            learn(tmp_path, f"{'a_word_' * 12}{width} {number}", width)
    learn(tmp_path, "stranger", 80)
    known = Embeddings(tmp_path)
    known.refresh()
    said = told(Shelf(models=tuple(models), default=models[0], embeddings=known))
    assert len(said) <= MAX_SAID
    for words in (
        "These words were learned",
        "and 1 more: `a_word",
        "and so for 1 more kind of",
        "`stranger`",
    ):
        assert words in said


def test_a_few_words_are_all_told(tmp_path: Path) -> None:
    for word in ("night-ink", "Castle"):
        learn(tmp_path, word, 128)
    learn(tmp_path, "stranger", 80)
    known = Embeddings(tmp_path)
    known.refresh()
    assert told(replace(SHELF, embeddings=known)).splitlines()[1:] == [
        "`Mini`: `Castle`, `night-ink`",
        "-# For models that are not here: `stranger`",
    ]
