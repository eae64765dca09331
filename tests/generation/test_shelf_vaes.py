"""Another VAE, or a tiny decoder, is one that fits the model, or there is a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.generation.modelfiles import a_folder
from tests.generation.shelves import a_vae, problem, shelf_of
from tests.generation.toys import write_safetensors

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
