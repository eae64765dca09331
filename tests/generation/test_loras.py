"""LoRA files are told by their headers, and what is wrong with one is said and harms no other."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from generation.catalogue import describe
from generation.controlnets import ControlNets
from generation.embeddings import Embeddings
from generation.loras import BrokenLora, Format, Lora, Loras
from generation.model import Family
from generation.prompting.attention import parts_of, words_of
from generation.prompting.loras import in_force, loras_in, read_loras, without_loras
from generation.prompting.wildcards import Wildcards
from generation.request import OWN_SAMPLER, Adapter, InvalidRequest, Size
from tests.generation.toys import MINI, NOISE, a_request, write_safetensors

KOHYA = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
PEFT = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"


def kohya(path: Path, width: int = 768, rank: int = 8, **notes: str) -> Path:
    shapes = {f"{KOHYA}.lora_down.weight": [rank, width], f"{KOHYA}.lora_up.weight": [320, rank]}
    shapes[f"{KOHYA}.alpha"] = []
    return noted(write_safetensors(path, shapes), notes)


def peft(path: Path, width: int = 768, rank: int = 4) -> Path:
    shapes = {f"{PEFT}.lora_A.weight": [rank, width], f"{PEFT}.lora_B.weight": [320, rank]}
    return write_safetensors(path, shapes)


def noted(path: Path, notes: dict[str, str]) -> Path:
    """The same file with this in its header."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length]) | {"__metadata__": notes}
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data[8 + length :])
    return path


def test_format_rank_and_family_are_told_by_the_header(tmp_path: Path) -> None:
    kohya(tmp_path / "a.safetensors", 2048, 16)
    peft(tmp_path / "b.safetensors", 768, 4)
    (tmp_path / "in").mkdir()
    kohya(tmp_path / "in" / "c.safetensors", 128)
    a, b, c = Loras(tmp_path).usable()
    assert (a.format, a.rank, a.made_for) == (Format.KOHYA, 16, "Stable Diffusion XL")
    assert (b.format, b.rank, b.made_for) == (Format.PEFT, 4, "Stable Diffusion 1")
    mini = describe(MINI)
    assert c.reject_reason(mini) is None
    assert a.reject_reason(mini) == (
        f"The LoRA `a` is made for Stable Diffusion XL; {mini.name} is of another kind."
    )


def test_trigger_words_are_what_the_owner_noted_or_else_the_maker(tmp_path: Path) -> None:
    tags = json.dumps({"10_x": {"hat": 3, "oil paint": 9}, "5_y": {"hat": 30}})
    kohya(tmp_path / "tags.safetensors", ss_tag_frequency=tags)
    noted(kohya(tmp_path / "phrase.safetensors"), {"modelspec.trigger_phrase": "in blue, in blue"})
    kohya(tmp_path / "sidecar.safetensors", ss_tag_frequency=tags)
    (tmp_path / "sidecar.json").write_text('{"activation text": "my style", "preferred weight": 0.6}')
    kohya(tmp_path / "text.safetensors", ss_tag_frequency=tags)
    (tmp_path / "text.txt").write_text("one\ntwo, three")
    kohya(tmp_path / "none.safetensors", ss_tag_frequency="{no json")
    half = json.dumps({"5_y": {"a\ud800b\0": 1, "\u200b": 9}})
    kohya(tmp_path / "half.safetensors", ss_tag_frequency=half)
    loras = Loras(tmp_path)
    told = {lora.name: lora.triggers for lora in loras.usable()}
    assert told == {
        "tags": ("hat", "oil paint"),
        "phrase": ("in blue",),
        "sidecar": ("my style",),
        "text": ("one", "two", "three"),
        "none": (),
        "half": ("ab",),
    }
    assert loras.find("Sidecar").advised == 0.6
    assert loras.triggers("TAGS") == ("hat", "oil paint")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_bytes(kohya(path).read_bytes()[:-9]), "is not a whole safetensors file"),
        (lambda path: path.write_bytes(b"\xff" * 40), "is not a whole safetensors file"),
        (lambda path: path.write_bytes(b""), "is not a whole safetensors file"),
        (
            lambda path: kohya(path, ss_tag_frequency="x" * 10_000_000),
            "does not begin with a header of 10 MB or less",
        ),
        (lambda path: path.rename(path.with_suffix(".pt")), "is a pickle"),
        (lambda path: write_safetensors(path, {"emb_params": [1, 768]}), "holds no LoRA"),
        (
            lambda path: write_safetensors(path, {f"{KOHYA}.hada_w1_a": [4, 4]}),
            "is a LoHa, which I cannot draw with",
        ),
        (
            lambda path: write_safetensors(path, {"transformer.blocks.0.attn.to_k.lora_A.weight": [4, 64]}),
            "is made for a model with a transformer",
        ),
        (
            lambda path: write_safetensors(path, {"base_model.model.mid.attn2.to_k.lora_A.weight": [4, 768]}),
            "does not say how strong it is",
        ),
        (lambda path: path.rename(path.with_name("a,b.safetensors")), "has a name that cannot stand"),
    ],
    ids=[
        "cut short",
        "rubbish",
        "empty",
        "long header",
        "pickle",
        "embedding",
        "LoHa",
        "Flux",
        "PEFT's own",
        "name",
    ],
)
def test_a_broken_file_gets_a_sentence_and_leaves_the_others_alone(
    make: object, said: str, tmp_path: Path
) -> None:
    path = kohya(tmp_path / "broken.safetensors")
    assert callable(make)
    make(path)
    peft(tmp_path / "well.safetensors")
    loras = Loras(tmp_path)
    (broken,) = (each for each in loras.look() if isinstance(each, BrokenLora))
    assert said in broken.problem
    assert [lora.name for lora in loras.usable()] == ["well"]
    with pytest.raises(InvalidRequest, match="its file is broken"):
        loras.find(broken.name)


@pytest.mark.parametrize(
    "header",
    [
        '{"a": {"dtype": "F16", "shape": [Infinity, 768], "data_offsets": [0, 0]}}',
        '{"a": {"dtype": "F16", "shape": [8, 768], "data_offsets": []}}',
    ],
)
def test_no_header_ends_a_look_at_the_folder(header: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode())
    assert [type(each) for each in Loras(tmp_path).look()] == [BrokenLora]
    embeddings = Embeddings(tmp_path)
    embeddings.refresh()
    assert "is not a whole safetensors file" in (embeddings.known[0].problem or "")
    assert [each.name for each in ControlNets.found([tmp_path]).broken] == ["odd"]


def test_no_number_that_anybody_noted_ends_a_look_at_the_folder(tmp_path: Path) -> None:
    path = kohya(tmp_path / "odd.safetensors", ss_tag_frequency='{"a": {"word": Infinity}}')
    path.with_suffix(".json").write_text('{"preferred weight": 1' + "0" * 400 + "}")
    (lora,) = Loras(tmp_path).usable()
    assert (lora.advised, lora.triggers) == (None, ())


def test_a_pickle_beside_the_same_lora_does_not_hide_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for place in ("one", "sub/two"):
        kohya(tmp_path / f"{place}.safetensors")
        for suffix in (".bin", ".pt"):
            (tmp_path / f"{place}{suffix}").write_bytes(b"a pickle")
    assert [lora.name for lora in Loras(tmp_path).usable()] == ["one", "two"]
    found = ControlNets.found([tmp_path])
    assert [each.name for each in found.broken if "pickle" in each.problem] == []
    assert [each.name for each in found.broken] == ["one", "sub"]


def test_where_a_look_is_slow_it_is_not_repeated_for_every_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loras = Loras(tmp_path)
    for name in ("one", "two"):
        kohya(tmp_path / f"{name}.safetensors")
        assert loras.lately()[-1].name == name
    monkeypatch.setattr("generation.loras.SLOW_S", 0.0)
    monkeypatch.setattr("generation.loras.REST", 1e9)
    kohya(tmp_path / "zebra.safetensors")
    assert loras.lately()[-1].name == "two"
    assert loras.usable()[-1].name == "zebra"


def test_the_folder_is_looked_at_again(tmp_path: Path) -> None:
    folder = tmp_path / "loras"
    loras = Loras(folder, tmp_path / "shipped")
    assert loras.look() == ()
    folder.mkdir()
    path = kohya(folder / "new.safetensors", rank=8)
    os.utime(path, ns=(1, 1))
    first = loras.find("NEW")
    assert loras.find("new") is first
    path.write_bytes(b"half of it has been copied so far")
    assert isinstance(loras.look()[0], BrokenLora)
    kohya(path, rank=32)
    assert loras.find("new").rank == 32
    path.unlink()
    with pytest.raises(InvalidRequest, match="there are none here"):
        loras.find("new")


def test_of_several_files_of_one_name_each_can_be_named(tmp_path: Path) -> None:
    own, shipped = tmp_path / "own", tmp_path / "shipped"
    for folder, rank in ((own / "a", 1), (own / "b", 2), (shipped, 3), (shipped / "c", 4)):
        folder.mkdir(parents=True)
        kohya(folder / ("hat.safetensors" if rank != 4 else "cap.safetensors"), rank=rank)
    kohya(own / "cap.safetensors", rank=5)
    ranks = {lora.name: lora.rank for lora in Loras(own, shipped).usable()}
    assert ranks == {"a/hat": 1, "b/hat": 2, "cap": 5, "hat": 3}


# In prompts ----------------------------------------------------------------------------------------------


def test_a_prompt_names_loras_as_a1111_has_it() -> None:
    prompt = "a (cat:1.2) <lora:Oil paint (v2):0.8>, red<LoRA:x>"
    assert loras_in(prompt) == (Adapter(name="Oil paint (v2)", weight=0.8), Adapter(name="x"))
    assert without_loras(prompt) == "a (cat:1.2) , red"
    assert parts_of(prompt) == parts_of("a (cat:1.2) , red")
    assert "lora" not in words_of(prompt)
    assert loras_in("a < b > c <hypernet:x:1>") == ()


def test_the_option_takes_several_with_weights() -> None:
    assert read_loras(" a:0.5, <lora:b c:-1>,d ,") == (
        Adapter(name="a", weight=0.5),
        Adapter(name="b c", weight=-1.0),
        Adapter(name="d"),
    )


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a cat <lora:x", "named without an end"),
        ("a cat <lora:x:y>", "a weight that is no number"),
        ("a cat <lora:x:nan>", "a weight that is no number"),
        ("a cat <lora::1>", "names no LoRA"),
        ("a cat <lora:x:1:0.5>", "more than one weight"),
        ("a cat <lora:x:9>", "A weight of 9 for the LoRA is not possible"),
        ("a cat <lora:x:1> <lora:X:.5>", "Name each LoRA once"),
        ("a cat" + "".join(f"<lora:{n}:1>" for n in range(7)), "7 LoRAs are too many"),
    ],
)
def test_what_cannot_be_read_gets_a_sentence(prompt: str, said: str) -> None:
    model = describe(MINI)
    reason = model.reject_reason(a_request(MINI, prompt=prompt))
    assert reason is not None
    assert said in reason


def test_a_negative_prompt_names_none() -> None:
    reason = describe(MINI).reject_reason(a_request(MINI, negative_prompt="<lora:x:1>"))
    assert reason is not None
    assert "not in the negative prompt" in reason


def test_each_picture_has_the_loras_that_were_chosen_for_it(tmp_path: Path) -> None:
    peft(tmp_path / "one.safetensors", 128)
    peft(tmp_path / "other.safetensors", 768)
    model = describe(MINI)
    size = Size(width=128, height=128)
    request = a_request(MINI, prompt="a circle <lora:{one|other}:0.5>", count=4, size=size)
    assert model.reject_reason(request) is None, "nothing is chosen yet"
    decided = Wildcards().decided(request)
    names = {in_force(decided.image(index))[0].name for index in range(4)}
    assert names == {"one", "other"}
    reason = Loras(tmp_path).reject_reason(decided, model)
    assert reason is not None
    assert reason.startswith("The LoRA `other` is made for Stable Diffusion 1")


def test_other_families_and_unknown_names_are_refused(tmp_path: Path) -> None:
    peft(tmp_path / "painterly.safetensors", 128)
    loras, noise = Loras(tmp_path), describe(NOISE)
    request = a_request(NOISE, adapters=(Adapter(name="painterli"),))
    assert loras.reject_reason(request, noise) == (
        "I do not know the LoRA `painterli`; did you mean `painterly`?"
    )
    assert loras.reject_reason(a_request(NOISE, adapters=(Adapter(name="Painterly"),)), noise) is None
    assert isinstance(loras.find("painterly"), Lora)


def test_models_of_other_families_take_none() -> None:
    flux = replace(describe(NOISE), name="Flux", family=Family.OTHER, samplers=(OWN_SAMPLER,))
    option = a_request(NOISE, sampler=OWN_SAMPLER, adapters=(Adapter(name="x"),))
    tag = a_request(NOISE, sampler=OWN_SAMPLER, prompt="a circle <lora:x:1>")
    for request in (option, tag):
        assert flux.reject_reason(request) == "Flux draws from words alone; it takes no LoRA."


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders here")
def test_pipes_beside_a_lora_are_not_waited_for(tmp_path: Path) -> None:
    kohya(tmp_path / "oil.safetensors")
    for ending in ("json", "txt"):
        os.mkfifo(tmp_path / f"oil.{ending}")
    assert [lora.name for lora in Loras(tmp_path).usable()] == ["oil"]
