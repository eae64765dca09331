"""What is wrong in the owner's description of the models is a sentence with its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from generation.modeltable import KEYS
from generation.request import OWN_SAMPLER
from generation.shelf import UnreadableShelf, read_shelf
from tests.generation.shelves import problem, problems, shelf_of
from tests.generation.toys import write_safetensors

ONE = '[[model]]\nname = "a"\nsource = "fake:a"\n'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("step = 4", 'I do not know "step" of a model; did you mean steps?'),
        (
            "Negative-Prompt = 'x'",
            'I do not know "Negative-Prompt" of a model; did you mean negative_prompt?',
        ),
        ("colour = 1", f'I do not know "colour" of a model; I know {", ".join(KEYS)}.'),
        ("steps = 0", "steps is a whole number from 1 to 150, not 0."),
        ("steps = 2.5", "steps is a whole number from 1 to 150, not 2.5."),
        ("steps = true", "steps is a whole number from 1 to 150, not true."),
        ('steps = "many"', 'steps is a whole number from 1 to 150, not "many".'),
        ("guidance = 31", "guidance is a number from 0 to 30, not 31."),
        ("guidance = nan", "guidance is a number from 0 to 30, not NaN."),
        ("guidance = [7]", "guidance is a number from 0 to 30, not a list."),
        ('sampler = "Euler b"', "I do not know the sampler `Euler b`; did you mean `Euler a`?"),
        ('sampler = "zzz"', "I do not know the sampler `zzz`; I have DDPM,"),
        ('sampler = "PNDM Karras"', "PNDM has no schedule Karras; it has"),
        ('steps = 60\nsampler = "LCM"', "50"),
        ("sampler = 2024-01-01", "sampler is a text in quotes, not a date or a time."),
        ("size = 100", "A size of 100x100 is not possible: both edges must be multiples of 8."),
        ('size = "wide"', "I could not read the size `wide`; write it like `512x768`."),
        ("size = 2048", "a cannot draw 2048x2048: each edge must be 64 to 1024 pixels"),
        ("size = [8, 8]", 'size is like 512, or like "512x768" in quotes, not a list.'),
        ("size = true", 'size is like 512, or like "512x768" in quotes, not true.'),
        (
            'memory = "tiny"',
            'memory is one of "fast", "balanced", "small", "smaller", "smallest", not "tiny".',
        ),
        ("default = 1", "default is true or false, not 1."),
        ("clip_skip = 13", "clip_skip is a whole number from 1 to 12, not 13."),
        ("clip_skip = '2'", "clip_skip is a whole number from 1 to 12, not "),
        ("negative_prompt = '(blurry'", "The negative prompt has a `(` that is never closed"),
        ("negative_prompt = '{blurry|'", "The negative prompt has a `{` that is never closed"),
        ("negative_prompt = 3", "negative_prompt is a text of at most 2,000 characters in quotes, not 3."),
        (f"negative_prompt = '{'x' * 2001}'", "not a text of 2,001 characters."),
        ('vae = ""', "vae is empty; write a text in the quotes."),
        ('vae = "none/here"', "There is no VAE at none/here; name a folder in diffusers' format"),
        ('vae = "old.pt"', "The VAE old.pt is a pickle"),
        ('vae = "a\\u0000b"', "There is no VAE at"),
        (f'vae = "{"x" * 6000}"', "There is no VAE at"),
        ('image_encoder = "x"', "This model has no ip_adapter that an image encoder would be for; name one."),
        ('ip_adapter = "none/here.safetensors"', "There is no IP-Adapter at none/here.safetensors; name a"),
        ('ip_adapter = "old.bin"', "The IP-Adapter old.bin is a pickle"),
        ('ip_adapter = "a\\u0000b.safetensors"', "There is no IP-Adapter at"),
        ("[model.defaults]", 'I do not know "defaults" of a model; did you mean default?'),
    ],
    ids=lambda given: given[:40],
)
def test_a_wrong_value_is_a_sentence_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    found = problem(tmp_path, ONE + "\n# a comment\n" + line)
    assert found.startswith("Line 6 of models.toml: ")
    assert said in found


def test_a_model_with_a_sampler_of_its_own_takes_no_other(tmp_path: Path) -> None:
    flux = '[[model]]\nname = "a"\nsource = "black-forest-labs/FLUX.1-dev"\n'
    assert shelf_of(tmp_path, flux).default.defaults.sampler == OWN_SAMPLER
    assert problem(tmp_path, flux + 'sampler = "Euler"') == (
        "Line 4 of models.toml: This model draws with a sampler of its own; leave sampler out."
    )


def test_an_ip_adapter_is_for_the_family_of_its_model(tmp_path: Path) -> None:
    shapes = {"image_proj.proj.weight": [4 * 768, 12], "ip_adapter.1.to_k_ip.weight": [320, 768]}
    write_safetensors(tmp_path / "look.safetensors", shapes)
    (tmp_path / "eyes").mkdir()
    (tmp_path / "eyes" / "config.json").write_text('{"projection_dim": 12}')
    write_safetensors(tmp_path / "eyes" / "model.safetensors", {"weight": [5]})
    look = 'ip_adapter = "look.safetensors"\nimage_encoder = "eyes"\n'
    model = '[[model]]\nname = "a"\nsource = "someone/{}"\n'
    dream = shelf_of(tmp_path, model.format("dream") + look).default
    assert dream.ip_adapter == str(tmp_path / "look.safetensors")
    assert dream.image_encoder == str(tmp_path / "eyes")
    for name, sentence in (("dream-xl", "it is for another family."), ("flux", "takes no IP-Adapter")):
        said = problem(tmp_path, model.format(name) + look)
        assert said.startswith("Line 4 of models.toml: ")
        assert sentence in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[model]]\nname = "a"', "Line 1 of models.toml: This model has no source; write source ="),
        ('[[model]]\nsource = "fake:a"', "Line 1 of models.toml: This model has no name; write name ="),
        (
            ONE + '[[model]]\nname = " A "\nsource = "fake:b"',
            "Line 5 of models.toml: The model of line 2 has this name already.",
        ),
        (
            ONE + '[[model]]\nname = "b"\nsource = "fake:a"',
            "Line 6 of models.toml: The model of line 3 has this source already.",
        ),
        (
            ONE + "default = true\n" + ONE.replace('a"', 'b"') + "default = true",
            "Line 8 of models.toml: Line 4 has chosen another default already.",
        ),
        (
            '[[model]]\nname = ""\nsource = "fake:a"',
            "Line 2 of models.toml: name is empty; write a text in the quotes.",
        ),
        (f'[[model]]\nname = "{"x" * 101}"\nsource = "fake:a"', "A name has 100 characters at the most"),
        ('[[model]]\nname = "a\\u200bb"\nsource = "fake:a"', "all of them can be seen"),
        ('[[model]]\nname = "a"\nsource = "./none"', "Line 3 of models.toml: There is no model at"),
        (
            '[[model]]\nname = "a"\nsource = "old.ckpt"',
            "Line 3 of models.toml: The model old.ckpt is a pickle",
        ),
        ('[[model]]\nname = "a"\nsource = 3', "Line 3 of models.toml: source is a text in quotes, not 3."),
        ("", "Line 1 of models.toml: No model is described here; each begins with [[model]]."),
        (
            '[model]\nname = "a"',
            "Line 1 of models.toml: Each model begins with [[model]], in double brackets.",
        ),
        ("model = [3]", "Line 1 of models.toml: Each model begins with [[model]], in double brackets."),
        (
            "\n[[models]]\n" + ONE.partition("\n")[2],
            'Line 2 of models.toml: I do not know "models"; each model begins with [[model]].',
        ),
    ],
    ids=lambda given: given[:40],
)
def test_what_cannot_be_offered_is_a_sentence_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert said in problem(tmp_path, text)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("name = Dream", 'a value is not understood; a text stands in quotes, as in name = "Dream".'),
        ('name = "b"\nname = "c"', "this key stands in the same model twice."),
        (r'source = "C:\models\dream"', "put a path between single quotes."),
        (r'source = "C:\Users\me"', "put a path between single quotes."),
        ('name = "Dream\nsteps = 3', "a text has no quote at its end."),
        ("steps 4", "a line is not understood; write it like steps = 25."),
        ("[model]", "each model begins with [[model]], in double brackets."),
        ("[[model]", "Expected ']]' at the end of an array declaration."),
    ],
)
def test_what_is_no_toml_is_a_sentence_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    found = problem(tmp_path, "[[model]]\nsteps = 3\n\n[[model]]\n" + line)
    assert re.match(r"Line [56] of models\.toml: ", found)
    assert said in found


def test_everything_that_is_wrong_is_said_at_once_from_top_to_bottom(tmp_path: Path) -> None:
    found = problems(
        tmp_path, 'x = 1\n[[model]]\nname = 3\nsource = "./none"\nsteps = 0\n[[model]]\nsampler = "Euler b"'
    )
    assert [said.partition(":")[0] for said in found] == [
        f"Line {line} of models.toml" for line in (1, 3, 4, 5, 6, 6, 7)
    ]


def test_a_file_that_is_not_there_or_no_text_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnreadableShelf, match=r"^There is no file .*none\.toml to describe the models\.$"):
        read_shelf(tmp_path / "none.toml")
    with pytest.raises(UnreadableShelf, match="cannot be read"):
        read_shelf(tmp_path)
    (tmp_path / "models.toml").write_bytes(b"\xff\xfe[\0")
    with pytest.raises(UnreadableShelf, match="is not a text file in UTF-8"):
        read_shelf(tmp_path / "models.toml")


def test_a_file_of_nothing_but_brackets_is_a_sentence(tmp_path: Path) -> None:
    assert "models.toml" in problem(tmp_path, "model = " + "[" * 20_000)
