"""The owner's look at the models, and one more of them: nothing of what stands in the file changes."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.models import add_arguments, look_after
from generation.shelf import read_shelf
from tests.generation.test_weighing import a_model
from tests.generation.toys import MINI, write_safetensors
from tests.posix import needs_links, needs_modes

ROOT = Path(__file__).parents[2]
TOML = """# ours

[[model]]
name = "Plain"   # keep this
source = "fake:plain"
"""


class Owner:
    """At a terminal, in a folder of their own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def types(self, *words: str, status: int = 0) -> str:
        """What is said then; the status must be this."""
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        assert look_after(parser.parse_args(words)) == status
        out, err = self._capsys.readouterr()
        return out + err

    @property
    def file(self) -> bytes:
        return (self.folder / "models.toml").read_bytes()

    def writes(self, content: str | bytes) -> None:
        data = content.encode() if isinstance(content, str) else content
        (self.folder / "models.toml").write_bytes(data)


@pytest.fixture
def owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Owner:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("MODEL", "MODELS", "DEVICE", "DTYPE", "MAX_PIXELS", "MAX_STEPS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    return Owner(folder, capsys)


# What there is -------------------------------------------------------------------------------------------

BESIDE = ("stoplight: well", "neon: well", "mini-edges: well")
"""What `check` says of what comes along with the embedded model."""


def test_without_a_file_the_only_model_is_shown(owner: Owner) -> None:
    said = owner.types("list")
    assert said.startswith("There is no file of models; MODEL names the only one:\n\nmini (draws for who")
    assert "  family   Stable Diffusion 1\n  size     128x128\n" in said
    assert (
        "  memory   about 19 MiB in float16 on a graphics card or 37 MiB in float32 on a processor: "
        "an estimate of its weights" in said
    )
    assert owner.types("check").splitlines() == ["mini: well", *BESIDE]


@pytest.mark.parametrize(
    ("variables", "memory"),
    [
        ({"DTYPE": "bfloat16"}, "about 19 MiB in bfloat16:"),
        ({"DTYPE": "float32", "DEVICE": "cuda"}, "about 37 MiB in float32:"),
        ({"DEVICE": "cpu"}, "about 37 MiB in float32:"),
        ({"DEVICE": "cuda:1"}, "about 19 MiB in float16 on a graphics card:"),
    ],
)
def test_memory_is_told_for_the_owners_numbers(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], memory: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert f"  memory   {memory}" in owner.types("list")


def test_each_model_of_a_file_is_shown_and_those_that_are_broken_say_why(owner: Owner) -> None:
    a_model(owner.folder / "dream")
    (owner.folder / "dream" / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    owner.writes(
        TOML
        + '[[model]]\nname = "Mine"\nsource = "models/mini"\nmemory = "small"\n'
        + '[[model]]\nname = "Far"\nsource = "somebody/some-xl"\n'
        + '[[model]]\nname = "Dream"\nsource = "dream"\n'
        + '[[model]]\nname = "Lost"\nsource = "./lost"\n'
    )
    said = owner.types("list", status=1)
    blocks = {block.partition("\n")[0]: block for block in said.split("\n\n")}
    default = "Plain (draws for who chooses none)"
    shipped = ["Learned words:", "LoRAs:", "ControlNets:"]
    assert list(blocks) == ["In models.toml:", default, "Mine", "Far", "Dream", "Lost", *shipped]
    assert 'With memory = "small" only about 14 MiB of them at a time' in blocks["Mine"]
    assert "family   Stable Diffusion XL, by its name" in blocks["Far"]
    assert "not known until it is fetched" in blocks["Far"]
    assert "memory" not in blocks[default]
    assert "  broken   The model dream has no weights in vae/ as .safetensors files." in blocks["Dream"]
    assert "  broken   Line 18 of models.toml: There is no model at ./lost." in blocks["Lost"]
    checked = owner.types("check", status=1).splitlines()
    assert checked[:3] == ["Plain: well", "Mine: well", "Far: not here yet, so known by its name only"]
    assert checked[3:5] == [
        "Dream: broken",
        "  The model dream has no weights in vae/ as .safetensors files.",
    ]
    assert checked[5] == "Lost: broken"


def test_any_model_can_be_looked_at(owner: Owner) -> None:
    (owner.folder / "dream.ckpt").touch()
    said = owner.types("check", MINI, "dream.ckpt", status=1).splitlines()
    assert said[:2] == ["mini: well", "dream.ckpt: broken"]
    assert "is a pickle" in said[2]


def test_a_file_that_cannot_be_read_and_limits_that_forbid_a_model_are_said(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_PIXELS", "5000")
    owner.writes(TOML.replace("fake:plain", "models/mini"))
    assert "MAX_PIXELS is 5000, but Plain draws nothing smaller than" in owner.types("check", status=1)
    owner.writes("[[model]\n")
    for words in (("list",), ("check",), ("add", "fake:x")):
        assert "Line 1 of models.toml" in owner.types(*words, status=1)
    monkeypatch.setenv("MODELS", "nowhere.toml")
    assert "MODELS is nowhere.toml, and there is no such file" in owner.types("list", status=1)


# One more ------------------------------------------------------------------------------------------------


def test_a_model_is_written_behind_what_is_there(owner: Owner) -> None:
    owner.writes(TOML)
    said = owner.types("add", MINI, "--name", 'Mi"ni \\ ü')
    assert said.startswith('Added Mi"ni \\ ü to models.toml. It can be chosen when the bot is started again.')
    assert owner.file == f'{TOML}\n[[model]]\nname = "Mi\\"ni \\\\ ü"\nsource = "models/mini"\n'.encode()
    shelf = read_shelf(owner.folder / "models.toml")
    assert [model.name for model in shelf.models] == ["Plain", 'Mi"ni \\ ü']
    assert [path.name for path in owner.folder.iterdir()] == ["models.toml"]


@needs_modes
@pytest.mark.parametrize("ends", ["\n", ""])
def test_marks_and_line_ends_of_another_system_and_the_mode_of_the_file_stay(owner: Owner, ends: str) -> None:
    before = b"\xef\xbb\xbf" + (TOML.rstrip() + "\n# last" + ends).replace("\n", "\r\n").encode()
    owner.writes(before)
    (owner.folder / "models.toml").chmod(0o640)
    owner.types("add", "fake:two")
    assert owner.file.startswith(before)
    assert owner.file.count(b"\n") == owner.file.count(b"\r\n")
    assert len(read_shelf(owner.folder / "models.toml").models) == 2
    assert (owner.folder / "models.toml").stat().st_mode & 0o777 == 0o640


def test_without_a_file_one_begins_with_the_model_that_draws_now(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = owner.types("add", "fake:two")
    assert "models.toml is new; while it is there, MODEL is not used. mini, which MODEL names, is" in said
    shelf = read_shelf(owner.folder / "models.toml")
    assert ([model.name for model in shelf.models], shelf.default.name) == (["mini", "two"], "mini")
    (owner.folder / "models.toml").unlink()
    monkeypatch.setenv("MODEL", "./gone")
    assert "./gone, which MODEL names, cannot be used and is left out." in owner.types("add", MINI)
    assert [model.name for model in read_shelf(owner.folder / "models.toml").models] == ["mini"]


@needs_links
def test_a_place_is_written_so_that_it_is_found_beside_the_file(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    a_model(owner.folder / "dream")
    owner.writes(TOML)
    owner.types("add", "dream")
    assert b'source = "dream"\n' in owner.file
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "shelf.toml").write_text(TOML)
    (tmp_path / "link.toml").symlink_to(tmp_path / "other" / "shelf.toml")
    monkeypatch.setenv("MODELS", str(tmp_path / "link.toml"))
    owner.types("add", "./dream", "--name", "mine")
    assert (tmp_path / "link.toml").is_symlink()
    assert read_shelf(tmp_path / "link.toml").find("mine") is not None
    assert f'source = "{owner.folder / "dream"}"' in (tmp_path / "other" / "shelf.toml").read_text()


@pytest.mark.parametrize(
    ("before", "words", "sentence"),
    [
        (TOML, ["./nowhere"], "There is no model at ./nowhere."),
        (TOML, ["fake:plain"], "fake:plain is in models.toml already, as Plain."),
        (
            TOML,
            ["fake:x", "--name", " plain "],
            "models.toml has a model Plain already; give this one another",
        ),
        (TOML, ["fake:x", "--name", "n" * 101], "A name has 100 characters at the most"),
        (TOML, ["fake:x", "--name", " "], "name is empty"),
        (TOML, ["fake:x", "--name", "\udcff"], "holds what is no letter"),
        (TOML + "step = 3\n", ["fake:x"], "Mend that first; nothing was written."),
        ('model = [{name = "a", source = "fake:a"}]\n', ["fake:x"], "It would have been:\n[[model]]\nname"),
    ],
    ids=lambda value: str(value)[-20:],
)
def test_what_cannot_be_added_is_said_and_the_file_stays(
    owner: Owner, before: str, words: list[str], sentence: str
) -> None:
    owner.writes(before)
    assert sentence in owner.types("add", *words, status=1)
    assert owner.file == before.encode()


def test_a_model_whose_files_are_broken_is_not_added(owner: Owner) -> None:
    weights = a_model(owner.folder / "dream") / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "is not a whole safetensors file" in owner.types("add", "dream", status=1)
    assert not (owner.folder / "models.toml").exists()


def test_learned_words_are_listed_and_those_that_are_broken_found(owner: Owner) -> None:
    owner.writes(TOML)
    folder = owner.folder / "embeddings"
    folder.mkdir()
    write_safetensors(folder / "ink.safetensors", {"clip_l": [2, 768], "clip_g": [2, 1280]})
    assert "\n  ink   2 vectors for Stable Diffusion XL\n" in owner.types("list")
    assert "ink: well" in owner.types("check")
    (folder / "old.pt").write_bytes(b"")
    for command in ("list", "check"):
        said = owner.types(command, status=1)
        assert "old.pt is a pickle" in said
        assert "Convert it to .safetensors" in said
    assert "old" not in owner.types("check", "fake:x")


def test_controlnets_are_listed_and_those_that_are_broken_found(owner: Owner) -> None:
    owner.writes(TOML)
    folder = owner.folder / "controlnets"
    folder.mkdir()
    shapes = {
        "conv_in.weight": [320, 4, 3, 3],
        "controlnet_cond_embedding.conv_in.weight": [16, 3, 3, 3],
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": [320, 768],
    }
    write_safetensors(folder / "house-canny.safetensors", shapes)
    assert "\n  house-canny   edges, for Stable Diffusion 1, about " in owner.types("list")
    assert "house-canny: well" in owner.types("check")
    write_safetensors(folder / "thin.safetensors", {"lora_controlnet": [1]})
    (folder / "old.pth").write_bytes(b"")
    for command in ("list", "check"):
        said = owner.types(command, status=1)
        assert "thin.safetensors is a control LoRA" in said
        assert "old.pth are a pickle" in said


def test_what_looks_at_pictures_is_listed_and_what_is_broken_found(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.writes(TOML)
    for name in ("DEPTH_MODEL", "POSE_MODEL", "SAFETY_CHECKER"):
        (owner.folder / name).mkdir()
        (owner.folder / name / "config.json").write_text("{}")
        monkeypatch.setenv(name, str(owner.folder / name))
    write_safetensors(owner.folder / "DEPTH_MODEL" / "model.fp16.safetensors", {"never read": [9, 1024]})
    write_safetensors(owner.folder / "DEPTH_MODEL" / "model.safetensors", {"weight": [5, 1024]})
    write_safetensors(owner.folder / "SAFETY_CHECKER" / "model.safetensors", {"weight": [2, 1024]})
    (owner.folder / "POSE_MODEL" / "pytorch_model.bin").write_bytes(b"")
    said = owner.types("list", status=1)
    assert "\nWhat looks at pictures:\n  depth   " in said
    assert "DEPTH_MODEL, about 20 KiB in float32\n" in said
    assert "SAFETY_CHECKER, about 4 KiB in float16 on a graphics card or 8 KiB in float32" in said
    assert "pose   broken   " in said
    assert "POSE_MODEL holds no .safetensors file" in said
    (owner.folder / "DEPTH_MODEL" / "config.json").unlink()
    said = owner.types("check", status=1)
    assert "depth: broken\n  DEPTH_MODEL is " in said
    assert "safety checker: well\n" in said


def test_it_is_a_part_of_the_bots_command(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text('[[model]]\nname = "Lost"\nsource = "./lost"\n')
    done = subprocess.run(
        [sys.executable, "-m", "bot", "models", "check"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("Lost: broken\n  Line 3 of models.toml: There is no model at ./lost.")
