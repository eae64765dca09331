"""Wildcards are lines of the owner's files; each picture chooses by its own seed, and the job keeps it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from generation.prompting.wildcards import MAX_BYTES, Wildcards
from generation.request import InvalidRequest, Seed, Variation, Wording
from tests.generation.toys import a_request

LISTS = {
    "colour": "# what we have paint for\nred\n\n  blue  \ndark {green|grey}\n",
    "weighted": "9::red\n1::blue\n",
    "nature/tall tree": "oak\n__colour__ fir\n",
    "self": "a sun\na __self__\n",
    "one": "{x|__two__}\n",
    "two": "__ONE__\n",
    "empty": "# nothing yet\n",
    "broken": "red\n{blue\n",
    "brackets": "(red\n",
    "marked": "(red:1.2)\n",
    **{f"chain{n}": f"__chain{n + 1}__\n" for n in range(12)},
    "chain12": "the end\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wildcards")
    for name, lines in LISTS.items():
        file = folder / f"{name}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(lines, "utf-8")
    (folder / "foreign.txt").write_bytes(b"caf\xe9\n")
    (folder / "huge.txt").write_bytes(b"red\n" * (MAX_BYTES // 4 + 1))
    return folder


@pytest.fixture(scope="module")
def wildcards(folder: Path) -> Wildcards:
    return Wildcards(folder)


def prompts(wildcards: Wildcards, prompt: str, *, tries: int = 200) -> set[str]:
    found = set()
    for seed in range(tries):
        (words,) = wildcards.decided(a_request(prompt=prompt, seed=Seed(seed))).wordings
        found.add(words.prompt)
    return found


def test_a_wildcard_is_a_line_of_its_file_and_lines_may_choose(wildcards: Wildcards) -> None:
    assert prompts(wildcards, "a __colour__ sun") == {
        "a red sun",
        "a blue sun",
        "a dark green sun",
        "a dark grey sun",
    }
    assert prompts(wildcards, "__Nature/Tall Tree__") == {
        "oak",
        "red fir",
        "blue fir",
        "dark green fir",
        "dark grey fir",
    }


def test_lines_have_chances(wildcards: Wildcards) -> None:
    drawn = [
        wildcards.decided(a_request(prompt="__weighted__", seed=Seed(seed))).wordings[0].prompt
        for seed in range(1000)
    ]
    assert drawn.count("red") == pytest.approx(900, abs=40)


def test_each_picture_chooses_by_its_own_seed(wildcards: Wildcards) -> None:
    request = a_request(prompt="{a|b|c|d} __colour__", negative_prompt="{e|f|g|h}", count=4, seed=Seed(100))
    four = wildcards.decided(request)
    assert four.chosen is not None
    assert len(set(four.chosen)) > 1
    alone = [wildcards.decided(a_request(**words(request), seed=Seed(100 + k))) for k in range(4)]
    assert four.chosen == tuple(one.wordings[0] for one in alone)
    assert wildcards.decided(request) == four
    assert (four.prompt, four.negative_prompt) == (request.prompt, request.negative_prompt)
    assert four.image(2).prompt == alone[2].image(0).prompt == four.chosen[2].prompt


def words(request: object) -> dict[str, str]:
    return {name: getattr(request, name) for name in ("prompt", "negative_prompt")}


def test_the_choice_of_the_negative_prompt_is_its_own(wildcards: Wildcards) -> None:
    """What is left open in one prompt does not depend on what the other one leaves open."""
    plain = wildcards.decided(a_request(prompt="a sun", negative_prompt="{a|b|c|d|e|f}"))
    other = wildcards.decided(a_request(prompt="{1|2|3} sun", negative_prompt="{a|b|c|d|e|f}"))
    assert plain.wordings[0].negative_prompt == other.wordings[0].negative_prompt


def test_variations_of_a_picture_are_of_the_same_words(wildcards: Wildcards) -> None:
    request = a_request(
        prompt="{a|b|c|d|e|f|g|h}", count=4, variations=(Variation(seed=Seed(1), strength=0.2),), seed=Seed(5)
    )
    decided = wildcards.decided(request)
    assert len(set(decided.wordings)) == 1
    again = wildcards.decided(decided.rerolled(Seed(99)))
    assert again.wordings == decided.wordings


def test_a_reroll_chooses_again(wildcards: Wildcards) -> None:
    first = wildcards.decided(a_request(prompt="{a|b|c|d|e|f|g|h} {1|2|3|4|5|6|7|8}"))
    rerolled = first.rerolled(Seed(1234))
    assert rerolled.chosen is None
    assert wildcards.decided(rerolled).wordings != first.wordings


def test_what_was_chosen_for_a_picture_is_not_chosen_from_again() -> None:
    request = Wildcards().decided(a_request(prompt=r"{a|b} \{c|d\}")).image(0)
    assert request.prompt.endswith("{c|d}")
    assert Wildcards().decided(request) is request


@pytest.mark.parametrize("prompt", ["a red circle", "(red:1.2) [x] || a_b", "a__b"])
def test_a_prompt_that_leaves_nothing_open_stays_the_same_request(wildcards: Wildcards, prompt: str) -> None:
    request = a_request(prompt=prompt, negative_prompt="blurry")
    assert wildcards.decided(request) is request


def test_marked_letters_become_plain_ones(wildcards: Wildcards) -> None:
    decided = wildcards.decided(a_request(prompt=r"\{x\} \_\_colour\_\_"))
    assert decided.wordings == (Wording(prompt="{x} __colour__", negative_prompt=""),)


def test_what_the_owner_changes_holds_from_the_next_request_on(tmp_path: Path) -> None:
    wildcards = Wildcards(tmp_path)
    (tmp_path / "thing.txt").write_text("sun")
    assert prompts(wildcards, "__thing__", tries=3) == {"sun"}
    (tmp_path / "thing.txt").write_text("moon")
    assert prompts(wildcards, "__thing__", tries=3) == {"moon"}


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ("__color__", "I do not know the wildcard `__color__`; did you mean `__colour__`?"),
        ("__xyz__", "I have `__brackets__`, `__broken__`, "),
        ("__nature/../../secret__", "I do not know the wildcard"),
        ("__colour*__", "I do not know the wildcard `__colour*__`"),
        ("a __self__", "`__self__` includes itself (`__self__ → __self__`)"),
        ("{a|b __one__}", "includes itself (`__one__ → __two__ → __one__`); the owner must mend it."),
        ("__empty__", "is an empty list"),
        ("__broken__", "The wildcard `__broken__` (line 2) has a `{` that is never closed"),
        ("__foreign__", "its file is not text in UTF-8"),
        ("__huge__", "too long a list"),
        ("__chain0__", "lead to others, more than 8 deep"),
        ("{a||b}", "empty alternative"),
    ],
)
def test_what_cannot_be_chosen_is_a_sentence_whatever_the_seed(
    wildcards: Wildcards, prompt: str, sentence: str
) -> None:
    for seed in range(5):
        with pytest.raises(InvalidRequest) as refused:
            wildcards.decided(a_request(prompt=prompt, seed=Seed(seed)))
        assert sentence in str(refused.value)


def test_the_deepest_nesting_that_is_allowed_works(tmp_path: Path) -> None:
    for n in range(8):
        (tmp_path / f"deep{n}.txt").write_text("{" * 10 + f"__deep{n + 1}__" + "}" * 10)
    (tmp_path / "deep7.txt").write_text("the end")
    assert prompts(Wildcards(tmp_path), "__deep0__", tries=2) == {"the end"}


def test_the_longest_list_takes_little_time(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("\n".join(f"0.5::thing{n}" for n in range(50_000)))
    began = time.thread_time()
    Wildcards(tmp_path).decided(a_request(prompt="__long__" * 100, count=4))
    assert time.thread_time() - began < 5


def test_without_a_folder_there_are_none() -> None:
    with pytest.raises(InvalidRequest, match="there are none here"):
        Wildcards().decided(a_request(prompt="__colour__"))
    assert prompts(Wildcards(), "{a|b}") == {"a", "b"}


def test_a_choice_that_leaves_no_prompt_is_a_sentence() -> None:
    with pytest.raises(InvalidRequest, match="prompt is empty"):
        for seed in range(20):
            Wildcards().decided(a_request(prompt="{0-1$$sun}", seed=Seed(seed)))
