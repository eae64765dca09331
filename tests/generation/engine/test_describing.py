"""A captioner of the owner's says what is to be seen, or why it cannot."""

from __future__ import annotations

import io
import queue
from pathlib import Path

import pytest
from PIL import Image

from generation.engine.describing import Describer, answering
from generation.messages import Describe, Described
from tests.generation.engine.toydescriber import WORDS, make_describer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_describer(tmp_path_factory.mktemp("describer") / "blip")


def a_picture(mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (64, 48)).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_a_picture_of_any_kind_gets_words(folder: Path, mode: str) -> None:
    answer = Describer(folder).answer(Describe(number=7, picture=a_picture(mode)))
    assert answer.number == 7
    assert answer.text
    assert set(answer.text.split()) <= set(WORDS)


def test_what_is_no_picture_and_a_folder_without_a_model_are_sentences(folder: Path, tmp_path: Path) -> None:
    told = Describer(folder).answer(Describe(number=1, picture=b"no picture"))
    assert told.text is None
    assert told.reason is not None
    assert "that I can read" in told.reason
    broken = Describer(tmp_path).answer(Describe(number=2, picture=a_picture()))
    assert broken.reason == "What describes pictures here does not work; whoever runs me finds why in my log."


def test_questions_are_answered_in_their_order_on_another_thread(folder: Path) -> None:
    said: queue.SimpleQueue[Described] = queue.SimpleQueue()
    ask = answering(folder, said.put)
    for number in range(3):
        ask(Describe(number=number, picture=a_picture()))
    assert [said.get(timeout=60).number for _ in range(3)] == [0, 1, 2]
