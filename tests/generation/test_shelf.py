"""The owner's description of the models: what it says, and a sentence with a line for all that is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from generation.catalogue import Defaults, Family, MemoryMode
from generation.modelfiles import UnreadableModel
from generation.modeltable import KEYS
from generation.request import OWN_SAMPLER, Size
from generation.shelf import Shelf, UnreadableShelf, read_shelf, survey
from tests.generation.test_catalogue import a_folder
from tests.generation.toys import MINI, write_safetensors

ROOT = Path(__file__).parents[2]
TWO = """
[[model]]
name = "Plain"
source = "fake:noise"

[[model]]
name = "Fancy  One"
source = "fake:noise-two"
size = "192x128"
steps = 12
guidance = 3
clip_skip = 2
sampler = "euler A"
negative_prompt = " blurry "
memory = "Small"
default = true
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "models.toml"
    path.write_text(text, encoding="utf-8")
    return path


def shelf_of(folder: Path, text: str) -> Shelf:
    return read_shelf(written(folder, text))


def problems(folder: Path, text: str) -> list[str]:
    """What is said about this file, without the folder that it is in."""
    with pytest.raises(UnreadableShelf) as caught:
        shelf_of(folder, text)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def problem(folder: Path, text: str) -> str:
    (only,) = problems(folder, text)
    return only


def a_vae(folder: Path, **config: object) -> Path:
    """The configuration and header of a VAE in diffusers' format."""
    import json

    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL", **config}))
    shapes = {"decoder.conv_in.weight": [512, 4, 3, 3], "decoder.mid_block.resnets.0.conv1.weight": [1]}
    write_safetensors(folder / "diffusion_pytorch_model.safetensors", shapes)
    return folder


# What it says --------------------------------------------------------------------------------------------


def test_models_stand_in_the_owners_order_with_what_he_says_of_them(tmp_path: Path) -> None:
    plain, fancy = shelf_of(tmp_path, TWO).models
    assert (plain.name, plain.source, plain.negative_prompt, plain.vae) == ("Plain", "fake:noise", "", None)
    assert plain.memory is MemoryMode.FAST
    assert plain.defaults == Defaults(steps=8, guidance=5.0, sampler="Euler", size=None)
    assert (fancy.name, fancy.source, fancy.negative_prompt) == ("Fancy One", "fake:noise-two", "blurry")
    assert fancy.memory is MemoryMode.SMALL
    size = Size(width=192, height=128)
    assert fancy.defaults == Defaults(steps=12, guidance=3.0, sampler="Euler a", size=size, clip_skip=2)
    assert fancy.native == plain.native


def test_the_default_is_the_chosen_one_or_else_the_first(tmp_path: Path) -> None:
    assert shelf_of(tmp_path, TWO).default.name == "Fancy One"
    assert shelf_of(tmp_path, TWO.replace("default = true", "")).default.name == "Plain"


def test_a_whole_number_as_size_is_the_native_edge(tmp_path: Path) -> None:
    (model,) = shelf_of(tmp_path, '[[model]]\nname = "a"\nsource = "fake:a"\nsize = 256').models
    assert (model.native, model.defaults.size) == (256, None)


def test_models_are_found_by_name_however_capitalised_and_by_source(tmp_path: Path) -> None:
    shelf = shelf_of(tmp_path, TWO)
    assert shelf.find(" fancy ONE") is shelf.models[1]
    assert shelf.find("fake:noise") is None
    assert shelf.by_source("fake:noise-two") is shelf.models[1]
    assert shelf.by_source("fake:gone") is None


def test_the_nearest_name_is_one_that_is_like_it_or_the_only_one_with_it_at_the_start_of_a_word(
    tmp_path: Path,
) -> None:
    text = TWO.replace("Fancy  One", "Dream Shaper XL v8").replace("Plain", "Dream of Others")
    shelf = shelf_of(tmp_path, text)
    assert shelf.nearest("dream shaper v8") is shelf.models[1]
    assert shelf.nearest("shap") is shelf.models[1]
    assert shelf.nearest("oth") is shelf.models[0]
    assert shelf.nearest("dre") is None
    assert shelf.nearest("hap") is None
    assert shelf.nearest("zzz") is None


def test_a_shelf_of_one_has_no_choice_and_no_file(tmp_path: Path) -> None:
    one = Shelf.one("fake:noise")
    assert (one.several, one.file, one.default.name) == (False, None, "noise")
    two = shelf_of(tmp_path, TWO)
    assert (two.several, two.file) == (True, tmp_path / "models.toml")


def test_places_are_those_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_folder(tmp_path / "ours" / "dream")
    vae = a_vae(tmp_path / "ours" / "vae")
    text = '[[model]]\nname = "Dream"\nsource = "./dream"\nvae = "vae"'
    elsewhere = shelf_of(tmp_path / "ours", text).default
    assert (Path(elsewhere.source), elsewhere.vae) == (tmp_path / "ours" / "dream", str(vae))
    monkeypatch.chdir(tmp_path / "ours")
    here = read_shelf(Path("models.toml"))
    assert (here.default.source, here.default.vae) == ("./dream", "vae")
    assert here.by_source("dream/") is here.default


def test_the_embedded_model_is_found_from_anywhere(tmp_path: Path) -> None:
    (model,) = shelf_of(tmp_path, '[[model]]\nname = "Shapes"\nsource = "models/mini"').models
    assert (model.source, model.name, model.native) == (MINI, "Shapes", 128)
    assert model.words


def test_a_name_on_the_hub_stays_one(tmp_path: Path) -> None:
    text = '[[model]]\nname = "XL"\nsource = "stabilityai/stable-diffusion-xl-base-1.0"\nsize = 768'
    model = shelf_of(tmp_path, text).default
    assert (model.source, model.family) == ("stabilityai/stable-diffusion-xl-base-1.0", Family.SDXL)
    assert model.native == 768


def test_a_file_from_an_editor_that_marks_its_beginning_is_read(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(TWO.replace("\n", "\r\n"), encoding="utf-8-sig")
    assert len(read_shelf(tmp_path / "models.toml").models) == 2


def test_limits_hold_for_each_model_and_its_own_size(tmp_path: Path) -> None:
    plain, fancy = shelf_of(tmp_path, TWO).within(pixels=150 * 100, steps=10).models
    assert (plain.native, plain.defaults.steps, fancy.defaults.steps) == (120, 8, 10)
    assert fancy.defaults.size == Size(width=144, height=96)
    shelf = shelf_of(tmp_path, TWO)
    assert shelf.within(pixels=4096**2, steps=150) == shelf
    assert shelf.within(pixels=5000, steps=150).models[1].defaults.size is None


def test_each_model_that_draws_nothing_so_small_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableShelf) as caught:
        shelf_of(tmp_path, TWO).within(pixels=4000, steps=150)
    assert [name in said for name, said in zip(["Plain", "Fancy One"], caught.value.problems, strict=True)]


# What is wrong -------------------------------------------------------------------------------------------

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


# Another VAE ---------------------------------------------------------------------------------------------

DREAM = '[[model]]\nname = "a"\nsource = "./dream"\nvae = "./vae"'


def test_a_vae_is_a_folder_or_a_file_in_diffusers_format(tmp_path: Path) -> None:
    a_folder(tmp_path / "dream")
    folder = a_vae(tmp_path / "vae")
    assert shelf_of(tmp_path, DREAM).default.vae == str(folder)
    file = folder / "diffusion_pytorch_model.safetensors"
    assert shelf_of(tmp_path, DREAM.replace("./vae", str(file))).default.vae == str(file)


def test_a_vae_that_does_not_fit_is_a_sentence(tmp_path: Path) -> None:
    a_folder(tmp_path / "dream")
    a_vae(tmp_path / "vae", latent_channels=16)
    assert problem(tmp_path, DREAM) == (
        "Line 4 of models.toml: The VAE vae has 16 channels in its latents, and this model's have 4."
    )


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({"first_stage_model.decoder.conv_in.weight": [1]}, "names its weights as checkpoints do"),
        ({"decoder.mid.block_1.conv1.weight": [1]}, "names its weights as checkpoints do"),
        ({"lora_unet.weight": [1]}, "holds no VAE"),
        (
            {"decoder.mid_block.resnets.0.conv1.weight": [1], "decoder.conv_in.weight": [1, 16]},
            "has 16 channels",
        ),
    ],
    ids=["checkpoint", "old names", "another thing", "another family"],
)
def test_a_file_that_is_no_vae_for_it_is_a_sentence(
    tmp_path: Path, shapes: dict[str, list[int]], said: str
) -> None:
    a_folder(tmp_path / "dream")
    write_safetensors(tmp_path / "vae.safetensors", shapes)
    assert said in problem(tmp_path, DREAM.replace("./vae", "vae.safetensors"))


def test_a_folder_that_is_no_vae_is_a_sentence(tmp_path: Path) -> None:
    a_folder(tmp_path / "dream")
    assert problem(tmp_path, DREAM.replace("./vae", "dream")).endswith(
        "The folder dream holds no config.json, so it is no VAE; its VAE is dream/vae."
    )
    folder = a_vae(tmp_path / "vae", _class_name="AutoencoderTiny")
    assert "holds AutoencoderTiny, not an AutoencoderKL" in problem(tmp_path, DREAM)
    (folder / "config.json").write_text('{"_class_name": "AutoencoderKL"}')
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    assert "has no weights in a .safetensors file" in problem(tmp_path, DREAM)


# A tiny decoder -----------------------------------------------------------------------------------------


def test_a_taesd_is_a_folder_or_a_name_on_the_hub(tmp_path: Path) -> None:
    a_folder(tmp_path / "dream")
    text = DREAM.replace("vae = ", "taesd = ")
    folder = a_vae(tmp_path / "vae", _class_name="AutoencoderTiny")
    assert shelf_of(tmp_path, text).default.taesd == str(folder)
    assert shelf_of(tmp_path, text.replace("./vae", "somebody/taesd")).default.taesd == "somebody/taesd"
    assert problem(tmp_path, text.replace("./vae", "./nowhere")) == (
        "Line 4 of models.toml: There is no taesd at nowhere; name a folder in diffusers' format, "
        "or a Hugging Face id like madebyollin/taesd."
    )
    for nowhere in ("~nobody-at-all/taesd", "a" * 5000):
        assert f"There is no taesd at {nowhere}" in problem(tmp_path, text.replace("./vae", nowhere))
    assert "There is no taesd at " in problem(tmp_path, text.replace("./vae", "dream/taesd"))
    assert "is no taesd: it holds AutoencoderKL" in problem(
        tmp_path, text.replace("./vae", str(a_vae(tmp_path / "kl")))
    )
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    assert "has no weights in a .safetensors file" in problem(tmp_path, text)


# The house -----------------------------------------------------------------------------------------------


def test_reading_it_needs_neither_torch_nor_discord(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from generation.shelf import read_shelf; "
        "read_shelf(Path(sys.argv[1])); print({'torch', 'diffusers', 'discord', 'bot'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(written(tmp_path, TWO))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"


def test_a_shelf_that_cannot_be_read_is_a_model_that_cannot_be_used() -> None:
    assert issubclass(UnreadableShelf, UnreadableModel)


# The page ------------------------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "models.md").read_text("utf-8")


def test_the_example_on_the_page_is_right(tmp_path: Path) -> None:
    example = PAGE.split("```toml")[1].split("```")[0]
    dream, large, shapes = shelf_of(tmp_path, example).models
    assert (dream.name, dream.negative_prompt, dream.family) == ("Dream", "blurry, watermark", Family.SD1)
    assert (large.defaults.size, large.memory) == (Size(width=1216, height=832), MemoryMode.SMALL)
    assert shapes.source == MINI


def test_the_page_tells_every_key_and_every_mode() -> None:
    told = set(re.findall(r"`\"?([a-z_]+)\"?`", " ".join(re.findall(r"(?m)^\| (.*?) \|", PAGE))))
    assert told == {*KEYS, *MemoryMode}


def test_a_survey_tells_of_each_model_what_is_wrong_with_it(tmp_path: Path) -> None:
    text = (
        TWO + '\n[[model]]\nsource = "./nowhere"\nsteps = 0\n[[model]]\nname = "plain"\nsource = "fake:x"\n'
    )
    plain, fancy, lost, twin = survey(written(tmp_path, text))
    assert (plain.name, plain.problems, fancy.problems) == ("Plain", (), ())
    assert fancy.info is not None
    assert fancy.info.defaults.steps == 12
    assert [entry.default for entry in (plain, fancy, lost, twin)] == [False, True, False, False]
    assert (lost.name, lost.info) == ("The model of line 18", None)
    assert [problem.partition(" of ")[0] for problem in lost.problems] == ["Line 18", "Line 19", "Line 20"]
    assert twin.info is not None
    assert "The model of line 3 has this name already." in twin.problems[0]
    with pytest.raises(UnreadableShelf, match='I do not know "models"; each model begins'):
        survey(written(tmp_path, "models = 1\n" + TWO))
