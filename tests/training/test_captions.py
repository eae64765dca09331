"""Captions say what the scene shows, in words that the tokenizer knows whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

from training.captions import caption, full_caption, vocabulary
from training.models import new_tokenizer
from training.scenes import Colour, Pair, Position, Relation, Shape, Single, Size, Style, Thing, random_scene
from training.tokenizer import MAX_TOKENS, learn_merges, learn_tokenizer


def test_a_full_caption_names_every_unusual_attribute() -> None:
    scene = Single(
        thing=Thing(colour=Colour.ORANGE, shape=Shape.STAR),
        size=Size.SMALL,
        position=Position.TOP_LEFT,
        background=Colour.BLUE,
        style=Style.PLAIN,
    )
    assert full_caption(scene) == "a small orange star in the top left on a blue background"


def test_a_pair_is_told_with_its_relation() -> None:
    scene = Pair(
        first=Thing(colour=Colour.ORANGE, shape=Shape.STAR),
        second=Thing(colour=Colour.RED, shape=Shape.HEART),
        relation=Relation.LEFT_OF,
        background=Colour.WHITE,
        style=Style.PLAIN,
    )
    assert full_caption(scene) == "an orange star to the left of a red heart on a white background"


def test_captions_of_one_scene_differ_and_fit_into_the_prompt() -> None:
    rng = Random(2)
    scene = random_scene(rng, styled=0)
    assert len({caption(scene, rng) for _ in range(50)}) > 10
    tokenizer = new_tokenizer()
    lengths = [len(tokenizer(caption(random_scene(rng), rng)).input_ids) for _ in range(500)]
    assert max(lengths) < MAX_TOKENS


def test_every_word_of_the_vocabulary_is_one_token() -> None:
    tokenizer = new_tokenizer()
    words = vocabulary()
    assert {"red", "circle", "watercolor", "masterpiece"} <= set(words)
    assert [w for w in words if w.isalpha() and len(tokenizer(w).input_ids) != 3] == []


def test_an_unknown_word_falls_into_pieces_and_back_together() -> None:
    tokenizer = new_tokenizer()
    ids = tokenizer("a Zorbling café 🙂").input_ids
    assert tokenizer.unk_token_id not in ids[1:-1]
    assert tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "") == "azorblingcafé🙂"


def test_the_same_words_get_the_same_ids_in_every_process() -> None:
    """Else after a restart a text encoder is given other ids, and takes one word for another."""
    program = (
        "from training.captions import vocabulary; from training.tokenizer import learn_tokenizer\n"
        "print(sorted(learn_tokenizer(vocabulary()).get_vocab().items()))"
    )
    other = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"  # ours is any, unless somebody chose it
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": other},
    )
    here = sorted(learn_tokenizer(vocabulary()).get_vocab().items())
    assert done.stdout.splitlines()[-1] == str(here)


def test_merges_take_the_most_frequent_pair_and_then_the_first_in_the_alphabet() -> None:
    merges = learn_merges(["ab", "cb", "abd"], most=10)
    assert merges == [("a", "b"), ("a", "b</w>"), ("ab", "d</w>"), ("c", "b</w>")]
    assert learn_merges(["ab", "cb"], most=1) == [("a", "b</w>")]
