"""The owner's description of the models, and what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from generation.catalogue import Defaults, Family, MemoryMode
from generation.modelfiles import UnreadableModel
from generation.modeltable import KEYS
from generation.request import Size
from generation.shelf import Shelf, UnreadableShelf, read_shelf, survey
from tests.generation.modelfiles import a_folder
from tests.generation.shelves import PAGE, ROOT, TWO, a_vae, shelf_of, written
from tests.generation.toys import MINI


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
