"""An SDXL model with a refiner: against diffusers' own ensemble of the two, and in company."""

from __future__ import annotations

import io
import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from PIL import Image, ImageChops

from generation.catalogue import MemoryMode, ModelInfo, UnreadableModel, describe
from generation.engine.compiling import Compiled
from generation.engine.footprints import weight_on_disk
from generation.engine.hashes import hash_file
from generation.engine.loop import DiffusionEngine
from generation.engine.memory import APART
from generation.engine.models import Model, load
from generation.loras import Loras
from generation.messages import Drawn, Previewed, Stepped, Stopped
from generation.metadata import read
from generation.redraw import main
from generation.request import Adapter, Seed, Size
from generation.samplers import SAMPLERS
from tests.generation.checkpoints import write_checkpoint
from tests.generation.companions import Ensemble, build_refiner
from tests.generation.engine.test_batch import (
    ENDS,
    largest_difference,
    mixed_task,
    recorded_calls,
    replayed,
    run_all,
)
from tests.generation.engine.test_inputs import a_photo, drawn, from_picture
from tests.generation.lorafiles import weights_for, write_kohya
from tests.generation.toys import Bench, a_request, a_task, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


@pytest.fixture(scope="module")
def toy_refiner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_refiner(tmp_path_factory.mktemp("models") / "toy-refiner")


@pytest.fixture(scope="module")
def refined(toy_sdxl: Path, toy_refiner: Path) -> ModelInfo:
    return replace(describe(str(toy_sdxl)), refiner=str(toy_refiner), refiner_start=0.6)


def bench_of(info: ModelInfo, **options: Any) -> Bench:
    return Bench(info.source, loaded=load(info, device="cpu"), **options)


@pytest.fixture(scope="module")
def bench(refined: ModelInfo) -> Bench:
    return bench_of(refined)


@pytest.fixture(scope="module")
def ensemble(toy_sdxl: Path, toy_refiner: Path) -> Ensemble:
    return Ensemble(toy_sdxl, toy_refiner)


def rows_of(args: Any, kwargs: Any) -> int:
    return len(args[0] if args else kwargs["sample"])


@contextmanager
def listening(model: Model) -> Iterator[list[tuple[str, int]]]:
    """Which UNet is asked, and for how many rows."""
    asked: list[tuple[str, int]] = []
    hooks = [
        unet.register_forward_pre_hook(
            lambda module, args, kwargs, name=name: asked.append((name, rows_of(args, kwargs))),
            with_kwargs=True,
        )
        for name, unet in zip(("base", "refiner"), model.unets, strict=True)
    ]
    yield asked
    for hook in hooks:
        hook.remove()


def same(one: Image.Image, other: Image.Image) -> bool:
    return ImageChops.difference(one, other).getbbox() is None


@pytest.mark.parametrize("sampler", sorted({spec.sampler for spec in SAMPLERS.values()}))
def test_it_draws_what_the_two_stock_pipelines_draw(sampler: str, bench: Bench, ensemble: Ensemble) -> None:
    request = a_request(bench.source, sampler=sampler, steps=5, negative_prompt="blue")
    ours = picture(bench.draw(sampler=sampler, steps=5, negative_prompt="blue"))
    assert same(ours, ensemble.picture(request, 0.6, whole_steps=True)), sampler
    assert len(set(ours.get_flattened_data())) > 100, "a picture of one colour proves nothing"


@pytest.mark.parametrize(
    ("start", "changes"),
    [
        (0.8, {"steps": 10}),
        (0.8, {"steps": 10, "sampler": "DPM++ 2M Karras", "negative_prompt": "blue"}),
        (0.8, {"steps": 3, "sampler": "Euler SGM Uniform"}),  # the base draws all of it
        (0.8, {"steps": 1}),  # the refiner does
        (0.3, {"size": Size(width=128, height=64), "sampler": "Euler a"}),
        (0.5, {"guidance": 1.0}),
    ],
    ids=str,
)
def test_the_stock_pipelines_agree_about(
    start: float, changes: dict[str, Any], bench: Bench, ensemble: Ensemble
) -> None:
    loaded = replace(bench.model, info=replace(bench.model.info, refiner_start=start))
    ours = Bench(bench.source, loaded=loaded).draw(**changes)
    assert same(picture(ours), ensemble.picture(a_request(bench.source, **changes), start))


def test_the_refiner_changes_the_picture_and_so_does_its_start(bench: Bench, toy_sdxl: Path) -> None:
    other = replace(bench.model, info=replace(bench.model.info, refiner_start=0.3))
    drawn = [
        picture(each.draw()) for each in (bench, Bench(str(toy_sdxl)), Bench(str(toy_sdxl), loaded=other))
    ]
    assert not any(same(drawn[i], drawn[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_mixed_requests_share_calls_in_both_stages_and_equal_their_solo_runs(bench: Bench) -> None:
    shared, rng = bench.again(cap=6), Random(8)
    arrivals = [(rng.randrange(4), mixed_task(shared, index, rng)) for index in range(8)]
    with listening(bench.model) as asked:
        pngs = run_all(shared, arrivals)
    assert {name for name, rows in asked if rows > 2} == {"base", "refiner"}
    for _, task in arrivals:
        png = pngs[task.id.job]
        assert replayed(shared, task, png) == png, "the same rows, the same bytes"
        alone = bench.run(task)[-1]
        assert isinstance(alone, Drawn)
        assert largest_difference(picture(alone.png), picture(png)) <= 1


def test_who_joins_or_leaves_at_any_call_of_either_stage_changes_nothing_for_the_others(bench: Bench) -> None:
    expected = picture(bench.draw(steps=4))
    stays, leaves = (a_task(a_request(bench.source, steps=4), job=job) for job in ("stays", "leaves"))
    joins = a_task(a_request(bench.source, steps=2, seed=Seed(9)), job="joins")
    for tick in range(8):
        bench.said.clear()
        bench.engine.admit(stays)
        bench.engine.admit(leaves)
        for _ in range(tick):
            bench.engine.tick()
        was_there = bench.engine.cancel(leaves.id)
        bench.engine.admit(joins)
        while bench.engine.busy:
            bench.engine.tick()
        ends = {str(report.task.job): report for report in bench.said if isinstance(report, ENDS)}
        assert sum(isinstance(report, ENDS) for report in bench.said) == 3
        assert isinstance(ends["leaves"], Stopped if was_there else Drawn)
        assert isinstance(ends["joins"], Drawn)
        kept = ends["stays"]
        assert isinstance(kept, Drawn)
        assert largest_difference(picture(kept.png), expected) <= 1


def test_every_step_is_told_and_any_can_be_watched(bench: Bench) -> None:
    task = a_task(a_request(bench.source, steps=6))
    bench.said.clear()
    bench.engine.admit(task)
    while bench.engine.busy:
        bench.engine.watch(task.id)
        bench.engine.tick()
    assert [report.step for report in bench.said if isinstance(report, Stepped)] == [1, 2, 3, 4, 5, 6]
    assert sum(isinstance(report, Previewed) for report in bench.said) == 4
    last = bench.said[-1]
    assert isinstance(last, Drawn)
    assert last.png == bench.draw(steps=6)


def test_a_record_says_enough_to_draw_it_again(
    bench: Bench, toy_refiner: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = [a_task(a_request(bench.source, seed=Seed(n)), job=str(n)) for n in range(3)]
    png = run_all(bench, [(0, task) for task in tasks])["1"]
    record = read(png).record
    assert record is not None
    assert (record["refiner"], record["refiner_start"]) == ("toy-refiner", 0.6)
    with Image.open(io.BytesIO(png)) as file:
        said = str(file.text["parameters"])  # type: ignore[attr-defined]
    assert f"Refiner: toy-refiner [{record['refiner_hash']}], Refiner switch at: 0.6" in said
    path = tmp_path / "picture.png"
    path.write_bytes(png)
    arguments = [str(path), "--model", bench.source, "--device", "cpu"]
    assert main([*arguments, "--refiner", str(toy_refiner)]) == 0
    assert capsys.readouterr().out == "Every pixel is the same.\n"
    assert main(arguments) == 2
    assert "with the refiner toy-refiner; say with --refiner where it is" in capsys.readouterr().err
    another = shutil.copytree(toy_refiner, tmp_path / "another")
    config = another / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text() + " ")
    main([*arguments, "--refiner", str(another)])
    assert "refiner_hash was" in capsys.readouterr().out


def test_a_picture_that_grows_from_another_is_refined_as_the_stock_pipelines_do(
    bench: Bench, ensemble: Ensemble
) -> None:
    photo = a_photo(Size(width=64, height=64))
    task = from_picture(bench.source, photo, strength=0.8, steps=10)
    ours = picture(drawn(bench, task))
    assert same(ours, ensemble.picture(task.request, 0.6, photo=photo))
    # With so little strength the refiner draws all of it.
    weak = from_picture(bench.source, photo, strength=0.2, steps=10)
    png = drawn(bench, weak)
    assert sum(calls for _, _, calls in recorded_calls(png)) == 2
    assert not same(picture(png), ours)
    # Nothing is compiled for what the model is not asked.
    compiled = Compiled(bench.model.unet)
    engine = DiffusionEngine(bench.model, bench.said.append, cap=1, compiled=compiled)
    engine.admit(weak)
    while engine.busy:
        engine.tick()
    assert isinstance(bench.said[-1], Drawn)
    assert not compiled._shapes


# Memory --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mode", [MemoryMode.BALANCED, MemoryMode.SMALL, MemoryMode.SMALLER, MemoryMode.SMALLEST]
)
def test_a_refiner_keeps_to_the_memory_mode(mode: MemoryMode, refined: ModelInfo, bench: Bench) -> None:
    frugal = bench_of(replace(refined, memory=mode))
    difference = largest_difference(picture(frugal.draw()), picture(bench.draw()))
    assert (difference > 0) is (mode is MemoryMode.SMALLEST)
    for unet in frugal.model.unets:
        kept = {parameter.dtype for parameter in unet.parameters()}
        assert (torch.float8_e4m3fn in kept) is (mode is MemoryMode.SMALLEST)


def test_apart_the_unets_take_turns_in_long_runs(refined: ModelInfo) -> None:
    frugal = bench_of(replace(refined, memory=MemoryMode.SMALL), cap=2)
    assert frugal.engine._memory.rung == APART
    tasks = [a_task(a_request(frugal.source, steps=6, seed=Seed(n)), job=str(n)) for n in range(3)]
    with listening(frugal.model) as asked:
        pngs = run_all(frugal, [(0, task) for task in tasks])
    assert len(pngs) == 3
    changes = sum(one != other for (one, _), (other, _) in itertools.pairwise(asked))
    assert changes <= 3, asked


@pytest.mark.parametrize("part", [0, 1])
def test_a_shortage_in_either_stage_loses_nobody(
    part: int, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [a_task(a_request(bench.source, seed=Seed(n)), job=str(n)) for n in range(3)]
    expected = run_all(bench, [(0, task) for task in tasks])
    unet = bench.model.unets[part]
    forward = unet.forward

    def short(*args: Any, **kwargs: Any) -> Any:
        if rows_of(args, kwargs) > 2:
            raise torch.OutOfMemoryError
        return forward(*args, **kwargs)

    monkeypatch.setattr(unet, "forward", short)
    got = run_all(bench, [(0, task) for task in tasks])
    assert got.keys() == expected.keys()
    assert sum(isinstance(report, ENDS) for report in bench.said) == 3
    for job, png in got.items():
        assert largest_difference(picture(png), picture(expected[job])) <= 1
        rows = {rows for rows, _, _ in recorded_calls(png)}
        assert rows == ({2, 6} if part else {2})


def test_the_refiner_counts_for_the_memory_budget(refined: ModelInfo, bench: Bench, toy_sdxl: Path) -> None:
    alone = Bench(str(toy_sdxl))
    assert bench.engine.footprint > alone.engine.footprint
    assert weight_on_disk(refined) > weight_on_disk(replace(refined, refiner=None))


# Loading -------------------------------------------------------------------------------------------------


def test_a_text_encoder_that_both_have_is_kept_once(
    toy_sdxl: Path, toy_refiner: Path, tmp_path: Path, bench: Bench
) -> None:
    assert len(bench.model.text_models) == 3
    folder = Path(shutil.copytree(toy_refiner, tmp_path / "refiner"))
    shutil.rmtree(folder / "text_encoder_2")
    shutil.copytree(toy_sdxl / "text_encoder_2", folder / "text_encoder_2")
    info = replace(describe(str(toy_sdxl)), refiner=str(folder), refiner_start=0.6)
    alike = bench_of(info)
    assert len(alike.model.text_models) == 2
    ensemble = Ensemble(toy_sdxl, folder)
    theirs = ensemble.picture(a_request(str(toy_sdxl)), 0.6)
    assert same(picture(alike.draw()), theirs)
    # A LoRA changes how the model reads with it, and not how the refiner does.
    file = write_kohya(tmp_path / "hat.safetensors", weights_for(ensemble.base))
    ensemble.base.load_lora_weights(str(file))
    alike.engine = DiffusionEngine(alike.model, alike.said.append, cap=4, loras=Loras(tmp_path))
    with_it = picture(alike.draw(adapters=(Adapter(name="hat"),)))
    assert same(with_it, ensemble.picture(a_request(str(toy_sdxl)), 0.6))
    assert not same(with_it, theirs)
    assert same(picture(alike.draw()), theirs)


def test_a_refiner_in_one_file_draws_what_its_folder_draws(
    refined: ModelInfo, toy_refiner: Path, tmp_path: Path, bench: Bench
) -> None:
    file = write_checkpoint(toy_refiner, tmp_path / "fine.safetensors")
    shutil.copytree(toy_refiner, tmp_path / "fine", ignore=shutil.ignore_patterns("*.safetensors"))
    one = bench_of(replace(refined, refiner=str(file)))
    assert same(picture(one.draw()), picture(bench.draw()))
    record = read(one.draw()).record
    assert record is not None
    assert record["refiner_hash"] == hash_file(file)


def test_what_is_no_refiner_or_lacks_weights_is_a_sentence(
    refined: ModelInfo, toy_refiner: Path, toy_sd: Path, tmp_path: Path
) -> None:
    def sentence(info: ModelInfo) -> str:
        with pytest.raises(UnreadableModel) as caught:
            load(info, device="cpu")
        return str(caught.value)

    assert "is no SDXL refiner" in sentence(replace(refined, refiner=refined.source))
    assert "only Stable Diffusion XL has a refiner" in sentence(
        replace(describe(str(toy_sd)), refiner=str(toy_refiner))
    )
    assert "nobody/refiner could not be fetched" in sentence(replace(refined, refiner="nobody/refiner"))
    folder = Path(shutil.copytree(toy_refiner, tmp_path / "refiner"))
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert f"The model {folder} could not be loaded" in sentence(replace(refined, refiner=str(folder)))
