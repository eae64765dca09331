"""LoRAs: pictures equal diffusers' own with the same file, and what has none is as it always was."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file

from generation.catalogue import MemoryMode, describe
from generation.engine.loop import DiffusionEngine
from generation.engine.memory import LAYERED
from generation.engine.models import Model, load
from generation.loras import Loras
from generation.messages import Drawn, TaskFailed
from generation.metadata import read
from generation.request import Adapter, Hires, Seed, Size
from tests.generation.checkpoints import published_layers
from tests.generation.lorafiles import weights_for, write_kohya, write_peft
from tests.generation.toys import Bench, a_request, a_task, stock_picture
from tests.generation.toys import picture as opened

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Already found a `peft_config`:UserWarning"),
]


def picture(png: bytes) -> bytes:
    """Its pixels."""
    return opened(png).tobytes()


def filled(pipe: Any, folder: Path) -> Loras:
    """A folder with a LoRA in each format, and one that leaves the text alone."""
    write_peft(folder / "peft.safetensors", weights_for(pipe, seed=1))
    write_kohya(folder / "kohya.safetensors", weights_for(pipe, seed=5, rank=4), alpha=3.0)
    write_peft(folder / "picture only.safetensors", weights_for(pipe, seed=9, texts=False))
    return Loras(folder)


class LoraBench(Bench):
    """An engine with LoRAs."""

    def __init__(self, loaded: Model, loras: Loras) -> None:
        super().__init__(loaded.info.source, loaded=loaded)
        self.engine = DiffusionEngine(loaded, self.said.append, cap=4, padded=False, loras=loras)


def in_mode(model: Path, memory: MemoryMode) -> Model:
    return load(replace(describe(str(model)), memory=memory), device="cpu")


@pytest.fixture(scope="module")
def sd_loras(toy_sd: Path, tmp_path_factory: pytest.TempPathFactory) -> Loras:
    return filled(StableDiffusionPipeline.from_pretrained(toy_sd), tmp_path_factory.mktemp("loras"))


@pytest.fixture(scope="module")
def sd(toy_sd: Path, sd_loras: Loras) -> LoraBench:
    return LoraBench(load(describe(str(toy_sd)), device="cpu"), sd_loras)


def with_loras(pipe: Any, loras: Loras, weights: dict[str, float]) -> Any:
    """The oracle: diffusers' own pipeline with these."""
    for name in weights:
        pipe.load_lora_weights(str(loras.find(name).path), adapter_name=name.replace(" ", "_"))
    pipe.set_adapters([name.replace(" ", "_") for name in weights], list(weights.values()))
    return pipe


@pytest.mark.parametrize(
    "weights",
    [{"peft": 1.0}, {"kohya": 0.7}, {"kohya": 0.6, "peft": -0.8}],
    ids=["PEFT", "kohya", "both, one of them backwards"],
)
def test_pictures_with_loras_equal_diffusers(
    weights: dict[str, float], sd: LoraBench, sd_loras: Loras, toy_sd: Path
) -> None:
    pipe = with_loras(StableDiffusionPipeline.from_pretrained(toy_sd), sd_loras, weights)
    adapters = tuple(Adapter(name=name, weight=weight) for name, weight in weights.items())
    png = sd.draw(adapters=adapters)
    request = a_request(sd.source)
    assert picture(png) == stock_picture(pipe, request, dict(sd.model.scheduler_config)).tobytes()
    assert picture(png) != picture(sd.draw())


def test_sdxl_pictures_with_loras_equal_diffusers(toy_sdxl: Path, tmp_path: Path) -> None:
    pipe = StableDiffusionXLPipeline.from_pretrained(toy_sdxl, add_watermarker=False)
    loras = filled(pipe, tmp_path)
    published = published_layers(pipe.unet)  # as those of the world have them
    weights = weights_for(pipe, seed=5, rank=4)
    write_kohya(tmp_path / "kohya.safetensors", weights, alpha=3.0, published=published)
    bench = LoraBench(load(describe(str(toy_sdxl)), device="cpu"), loras)
    plain = bench.draw()
    for name in ("peft", "kohya"):
        pipe.load_lora_weights(str(tmp_path / f"{name}.safetensors"), adapter_name=name)
        pipe.set_adapters([name], [0.8])
        png = bench.draw(prompt=f"a red circle<lora:{name}:0.8>")
        expected = stock_picture(pipe, a_request(bench.source), dict(bench.model.scheduler_config))
        assert picture(png) == expected.tobytes() != picture(plain)
    assert bench.draw() == plain


def test_without_a_lora_the_bits_are_what_they_were(sd: LoraBench, toy_sd: Path) -> None:
    fresh = Bench(str(toy_sd))
    before = fresh.draw(prompt="the moon", steps=3)
    sd.draw(adapters=(Adapter(name="peft"),))
    assert sd.draw(prompt="the moon", steps=3) == before
    assert sd.draw(prompt="the moon <lora:peft:0>", steps=3) != before, "other words are in the file"
    assert picture(sd.draw(prompt="the moon<lora:peft:0>", steps=3)) == picture(before)


def test_another_engine_of_the_same_model_sees_none_of_them(sd: LoraBench) -> None:
    other = sd.again()
    plain = other.draw()
    for _ in range(2):
        sd.draw(adapters=(Adapter(name="peft"),))
        assert other.draw() == plain


def test_who_has_the_same_loras_shares_calls_and_nobody_else_sees_them(sd: LoraBench) -> None:
    """Nor does it matter how they were named, and in which order."""
    peft, kohya = Adapter(name="peft", weight=0.5), Adapter(name="kohya", weight=0.5)
    asked: dict[str, dict[str, Any]] = {
        "plain": {},
        "plain too": {"seed": Seed(8)},
        "one": {"adapters": (peft,)},
        "other weight": {"adapters": (Adapter(name="peft"),)},
        "both": {"adapters": (peft, kohya), "seed": Seed(9)},
        "both in the prompt": {"prompt": "a red circle<lora:KOHYA:0.5><lora:peft:.5>"},
    }
    alone = {name: sd.draw(**changes) for name, changes in asked.items()}
    sd.said.clear()
    for name, changes in asked.items():
        sd.engine.admit(a_task(a_request(sd.source, **changes), job=name))
    while sd.engine.busy:
        sd.engine.tick()
    drawn = {report.task.job: report.png for report in sd.said if isinstance(report, Drawn)}
    rows: Counter[str] = Counter()
    for name, png in drawn.items():
        record = read(png).record
        assert record is not None
        rows[name] = record["unet_calls"][0][0]
        differing = max(abs(a - b) for a, b in zip(picture(png), picture(alone[name]), strict=True))
        assert differing <= 1
    assert rows == {
        "plain": 4,
        "plain too": 4,
        "one": 2,
        "other weight": 2,
        "both": 4,
        "both in the prompt": 4,
    }


def test_the_record_says_which_files_and_with_which_weights(sd: LoraBench, sd_loras: Loras) -> None:
    png = sd.draw(prompt="a red circle <lora:kohya:0.5>", adapters=(Adapter(name="Peft"),))
    record = read(png).record
    assert record is not None
    told = {each["name"]: (each["weight"], each["sha256"]) for each in record["loras"]}
    digests = {
        name: hashlib.sha256(sd_loras.find(name).path.read_bytes()).hexdigest() for name in ("kohya", "peft")
    }
    assert told == {"kohya": (0.5, digests["kohya"]), "peft": (1.0, digests["peft"])}
    assert record["loras"][0]["autov3"] != digests["kohya"][:12]


def test_a_prompt_is_read_anew_with_a_lora_that_changes_how(sd: LoraBench) -> None:
    prompts = sd.engine._prepare._prompts
    with_text = sd.engine._adapters.asked(a_request(sd.source, adapters=(Adapter(name="peft"),)))
    plain = prompts.encode("the sun")
    assert not torch.equal(prompts.encode("the sun", loras=with_text).states, plain.states)
    assert prompts.encode("the sun") is plain
    without = sd.engine._adapters.asked(a_request(sd.source, adapters=(Adapter(name="picture only"),)))
    assert sd.engine._adapters.reading(without) == ()


def test_a_second_larger_pass_keeps_the_loras(sd: LoraBench) -> None:
    hires = Hires(size=Size(width=96, height=96), steps=4, strength=0.5)
    with_it = sd.draw(hires=hires, adapters=(Adapter(name="picture only"),))
    assert picture(with_it) != picture(sd.draw(hires=hires))
    fitted = sd.engine._adapters.asked(a_request(sd.source, adapters=(Adapter(name="picture only"),)))
    sizes = dict.fromkeys((8, 12), fitted)
    seen: dict[int, Any] = {}
    sd.engine.admit(a_task(a_request(sd.source, hires=hires, adapters=(Adapter(name="picture only"),))))
    while sd.engine.busy:
        sd.engine.tick()
        for entry in sd.engine._entries:
            if entry.image is not None:
                seen[entry.image.latents.shape[-1]] = sd.engine._adapters._unet.state.in_force
    assert seen == sizes


def test_loras_leave_when_others_need_their_room(toy_sd: Path, sd_loras: Loras) -> None:
    bench = LoraBench(load(describe(str(toy_sd)), device="cpu"), sd_loras)
    adapters = bench.engine._adapters
    first = bench.draw(adapters=(Adapter(name="peft"),))
    adapters._room = 1
    bench.draw(adapters=(Adapter(name="kohya"),))
    assert list(adapters.loaded) == ["kohya"]
    assert bench.draw(adapters=(Adapter(name="peft"),)) == first
    assert list(adapters.loaded) == ["peft"]
    assert adapters.shed(set())
    assert not adapters.loaded
    assert not any("lora" in name for name, _ in bench.model.unet.named_modules())


def test_those_of_pictures_in_turn_stay_though_there_is_no_room_and_leave_when_memory_is_short(
    sd: LoraBench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    engine, adapters = sd.engine, sd.engine._adapters
    adapters.shed(set())
    monkeypatch.setattr(adapters, "_room", 1)
    for name in ("peft", "kohya"):
        engine.admit(a_task(a_request(sd.source, adapters=(Adapter(name=name),)), job=name))
    while not all(entry.image and entry.image.calls > 1 for entry in engine._entries):
        engine.tick()
    assert caplog.text.count("loaded the LoRA") == 2, "each once"
    rung = engine._memory.rung
    assert engine._climb()
    assert len(adapters.loaded) == 1
    assert engine._memory.rung == rung
    while not all(entry.image and entry.image.calls > 2 for entry in engine._entries):
        engine.tick()
    assert engine._climb()
    assert engine._memory.rung == rung + 1, "else they would come and go for ever, and one never be drawn"
    for entry in engine._entries:
        assert engine.cancel(entry.task.id)
    engine._memory.descend()


def test_what_a_picture_needs_stays_when_memory_is_short_for_it_alone(
    sd: LoraBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, adapters = sd.engine, sd.engine._adapters
    monkeypatch.setattr(adapters, "_room", 1)
    both = a_request(sd.source, adapters=(Adapter(name="peft"), Adapter(name="kohya")))
    engine.admit(a_task(both))
    while engine._entries[0].image is None:
        engine.tick()
    adapters.shed(set())
    adapters.for_texts(adapters.asked(both))
    rung = engine._memory.rung
    assert engine._climb()
    assert (len(adapters.loaded), engine._memory.rung) == (2, rung + 1)
    assert engine.cancel(engine._entries[0].task.id)
    engine._memory.descend()


def test_short_of_memory_those_go_first_that_nobody_in_hand_has(sd: LoraBench) -> None:
    engine = sd.engine
    sd.draw(adapters=(Adapter(name="kohya"),))
    engine.admit(a_task(a_request(sd.source, adapters=(Adapter(name="peft"),))))
    while engine._entries[0].image is None:
        engine.tick()
    rung = engine._memory.rung
    assert engine._climb()
    assert list(engine._adapters.loaded) == ["peft"]
    assert engine._memory.rung == rung, "that was enough for now"
    while engine.busy:
        engine.tick()


def test_a_few_layers_at_a_time_draw_the_same_with_a_lora(
    sd: LoraBench, toy_sd: Path, sd_loras: Loras
) -> None:
    layered = LoraBench(in_mode(toy_sd, MemoryMode.SMALLER), sd_loras)
    assert layered.engine._memory.rung == LAYERED
    plain = layered.draw()
    with_it = layered.draw(adapters=(Adapter(name="kohya"),))
    assert picture(with_it) == picture(sd.draw(adapters=(Adapter(name="kohya"),)))
    assert layered.draw() == plain
    hooks = [layer for layer in layered.engine._adapters._unet.state.adapted if hasattr(layer, "lora_A")]
    assert hooks
    assert all(hasattr(side, "_diffusers_hook") for layer in hooks for side in layer.lora_A.values()), (
        "its layers come and go like the others"
    )


def test_weights_in_eight_bits_leave_a_lora_whole(toy_sd: Path, sd_loras: Loras) -> None:
    bench = LoraBench(in_mode(toy_sd, MemoryMode.SMALLEST), sd_loras)
    plain = bench.draw()
    assert picture(bench.draw(adapters=(Adapter(name="picture only"),))) != picture(plain)
    layer = bench.engine._adapters._unet.state.adapted[0]
    held = next(iter(layer.lora_A.values())).weight
    stored = load_file(sd_loras.find("picture only").path)
    name = next(n for n, each in bench.model.unet.named_modules() if each is layer)
    assert torch.equal(held, stored[f"unet.{name}.lora_A.weight"])


def test_what_cannot_be_drawn_gets_a_sentence_and_nothing_stays_behind(
    sd: LoraBench, toy_sd: Path, toy_sdxl: Path, sd_loras: Loras, tmp_path: Path
) -> None:
    whole = sd_loras.find("peft").path.read_bytes()
    (tmp_path / "peft.safetensors").write_bytes(whole)
    (tmp_path / "half.safetensors").write_bytes(whole[:-100])
    xl = StableDiffusionXLPipeline.from_pretrained(toy_sdxl, add_watermarker=False)
    write_kohya(tmp_path / "other family.safetensors", weights_for(xl))
    odd = weights_for(StableDiffusionPipeline.from_pretrained(toy_sd))
    first = next(iter(odd["unet"]))
    odd["unet"][first.replace("blocks.0", "blocks.7")] = odd["unet"].pop(first)
    write_peft(tmp_path / "foreign.safetensors", odd)
    for name, part, side in (("no up", "unet", "B"), ("no down", "text_encoder", "A")):
        lacking = weights_for(StableDiffusionPipeline.from_pretrained(toy_sd))
        del lacking[part][next(each for each in lacking[part] if each.endswith(f"lora_{side}.weight"))]
        write_peft(tmp_path / f"{name}.safetensors", lacking)
    bench = LoraBench(sd.model, Loras(tmp_path))
    before = bench.draw()
    for name, said in {
        "pfet": "I do not know the LoRA `pfet`; did you mean `peft`?",
        "foreign": "does not fit",
        "other family": "is made for",
        "no up": "does not fit",
        "no down": "does not fit",
        "half": "its file is broken",
    }.items():
        last = bench.run(a_task(a_request(bench.source, adapters=(Adapter(name=name),))))[-1]
        assert isinstance(last, TaskFailed)
        assert said in last.reason
    assert not bench.engine._adapters.loaded
    assert bench.draw() == before


def test_what_the_library_stumbles_over_is_a_sentence_and_the_log_says_where(
    sd: LoraBench, sd_loras: Loras, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tensors = load_file(sd_loras.find("kohya").path)
    name = next(each for each in tensors if each.endswith(".lora_down.weight"))
    tensors[name.replace(".lora_down.weight", ".oddity")] = torch.zeros(1)
    save_file(tensors, tmp_path / "odd.safetensors")
    bench = LoraBench(sd.model, Loras(tmp_path))
    last = bench.run(a_task(a_request(bench.source, adapters=(Adapter(name="odd"),))))[-1]
    assert isinstance(last, TaskFailed)
    assert last.reason.startswith("The LoRA `odd` could not be loaded into")
    assert "could not load the LoRA" in caplog.text
    assert "in lora_state_dict" in caplog.text, "where it went wrong"


def test_a_lora_that_was_changed_is_another_one(sd: LoraBench, sd_loras: Loras, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(sd_loras.find("peft").path.read_bytes())
    bench = LoraBench(sd.model, Loras(tmp_path))
    one = bench.draw(adapters=(Adapter(name="mine"),))
    path.write_bytes(sd_loras.find("kohya").path.read_bytes())
    assert picture(bench.draw(adapters=(Adapter(name="mine"),))) != picture(one)


def test_weights_of_a_unet_alone_may_name_no_part(
    sd: LoraBench, toy_sd: Path, sd_loras: Loras, tmp_path: Path
) -> None:
    """As diffusers' `save_lora_adapter` writes them."""
    pipe = StableDiffusionPipeline.from_pretrained(toy_sd)
    pipe.load_lora_weights(str(sd_loras.find("picture only").path), adapter_name="it")
    pipe.unet.save_lora_adapter(tmp_path, adapter_name="it", weight_name="bare.safetensors")
    bench = LoraBench(sd.model, Loras(tmp_path, sd_loras.folders[0]))
    bare = bench.draw(adapters=(Adapter(name="bare"),))
    assert picture(bare) == picture(bench.draw(adapters=(Adapter(name="picture only"),)))
