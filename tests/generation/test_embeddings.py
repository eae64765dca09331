"""Learned words are known by the headers of their files; what is none is told to the owner."""

from __future__ import annotations

from pathlib import Path

import pytest

from generation.catalogue import describe
from generation.embeddings import Embeddings
from tests.generation.toys import MINI, write_safetensors


def embeddings_in(*folders: Path) -> Embeddings:
    embeddings = Embeddings(*folders)
    embeddings.refresh()
    return embeddings


def test_words_are_for_models_of_their_width(tmp_path: Path, toy_sdxl: Path) -> None:
    (tmp_path / "more").mkdir()
    for name, shapes in {
        "one": {"emb_params": [3, 768]},
        "two": {"<two>": [1024]},
        "more/one": {"clip_l": [2, 768], "clip_g": [2, 1280]},
        "mine": {"emb_params": [1, 128]},
    }.items():
        write_safetensors(tmp_path / f"{name}.safetensors", shapes)
    found = embeddings_in(tmp_path)
    assert [(each.word, each.vectors, each.made_for, each.problem) for each in found.known] == [
        ("mine", 1, "text encoders of width 128", None),
        ("one", 2, "Stable Diffusion XL", None),
        ("one", 3, "Stable Diffusion 1", None),
        ("two", 1, "Stable Diffusion 2", None),
    ]
    assert describe(MINI).text_widths == (128,)
    assert describe(str(toy_sdxl)).text_widths == (16, 16)
    assert describe("someone/some-xl-model").text_widths == (768, 1280)
    assert list(found.fitting((768, 1280))) == ["one"]
    assert [each.made_for for each in found.misfits(["One and TWO, no mine."], (768,))] == [
        "Stable Diffusion 2",
        "text encoders of width 128",
    ]


def test_a_word_is_a_whole_word_and_the_longest(tmp_path: Path) -> None:
    for name in ("bad", "bad-hands-5", "a.b", "cat toy"):
        write_safetensors(tmp_path / f"{name}.safetensors", {"emb_params": [1, 768]})
    found = embeddings_in(tmp_path)

    def used(text: str) -> list[str]:
        return [each.word for each in found.used([text], (768,))]

    assert used("Bad-Hands-5, badly, axb, cat  toy") == ["bad-hands-5"]
    assert used("bad, (A.B), a cat toy") == ["bad", "a.b", "cat toy"]
    assert used("bad_ badé 5bad") == []
    assert found.without("a BAD day", (768,)).split() == ["a", "day"]


@pytest.mark.parametrize(
    ("name", "shapes", "sentence"),
    [
        ("many", {"emb_params": [76, 768]}, "has 76 vectors; a text encoder reads 75 at once."),
        ("flat", {"emb_params": [3, 768, 2]}, "its tensors (emb_params [3, 768, 2]) are not vectors"),
        ("uneven", {"clip_l": [1, 768], "clip_g": [2, 1280]}, "as many in each."),
        ("model", {"a": [2], "b": [2], "c": [2]}, "holds no embedding, but 3 tensors: one has a tensor"),
        ("nothing", {}, "holds no embedding, but nothing"),
        ("!!", {"emb_params": [1, 768]}, "has a name that is no word for a prompt; rename the file"),
    ],
)
def test_what_is_no_embedding_is_told_to_the_owner(
    tmp_path: Path, name: str, shapes: dict[str, list[int]], sentence: str
) -> None:
    write_safetensors(tmp_path / f"{name}.safetensors", shapes)
    (broken,) = embeddings_in(tmp_path).known
    assert sentence in (broken.problem or "")


def test_pickles_and_files_that_are_cut_off_are_refused_and_the_others_serve(tmp_path: Path) -> None:
    (tmp_path / "old.pt").write_bytes(b"whatever")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00")
    (tmp_path / "read me.txt").write_text("no word")
    write_safetensors(tmp_path / "good.safetensors", {"emb_params": [1, 768]})
    found = embeddings_in(tmp_path)
    assert [each.word for each in found.known] == ["cut", "good", "old"]
    assert "is a pickle" in (found.known[2].problem or "")
    assert "Convert it to .safetensors" in (found.known[2].problem or "")
    assert list(found.fitting((768,))) == ["good"]
    assert embeddings_in(tmp_path / "not there").known == ()


def test_the_first_folder_counts_and_changes_are_seen(tmp_path: Path) -> None:
    mine, shipped = tmp_path / "mine", tmp_path / "shipped"
    for folder in (mine, shipped):
        folder.mkdir()
        write_safetensors(folder / "star.safetensors", {"emb_params": [1, 768]})
    found = embeddings_in(mine, shipped)
    assert found.fitting((768,))["star"].path.parent == mine
    write_safetensors(mine / "star.safetensors", {"emb_params": [5, 768]})
    found.refresh()
    assert found.fitting((768,))["star"].vectors == 5
    (mine / "star.safetensors").unlink()
    found.refresh()
    assert found.fitting((768,))["star"].path.parent == shipped
