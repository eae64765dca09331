"""How many images a call draws is measured, kept, and measured again when something changed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from generation.catalogue import MemoryMode
from generation.engine import calibration
from generation.engine.calibration import LARGEST, TRIED, calibrated_cap, cap_for, knee
from generation.engine.models import Model
from tests.generation.toys import Bench


def test_the_knee_is_where_more_images_stop_paying() -> None:
    assert knee(lambda images: 1.0 + 0.1 * images) == 16, "nearly free"
    assert knee(lambda images: float(images)) == 1, "no gain at all"
    assert knee(lambda images: {1: 1.0, 2: 1.4, 4: 2.0, 8: 3.9, 16: 7.0}[images]) == 4


def test_a_call_that_does_not_fit_ends_the_search() -> None:
    def seconds(images: int) -> float:
        if images > 2:
            raise torch.OutOfMemoryError("no")
        return 1.0

    assert knee(seconds) == 2
    with pytest.raises(torch.OutOfMemoryError):
        knee(lambda images: (_ for _ in ()).throw(torch.OutOfMemoryError("not even one")))


def test_larger_pictures_share_a_call_with_fewer() -> None:
    assert cap_for(8, native_area=64, area=64) == 8
    assert cap_for(8, native_area=64, area=128) == 4
    assert cap_for(8, native_area=64, area=4096) == 1
    assert cap_for(8, native_area=64, area=1) == LARGEST


def test_it_is_measured_once_and_kept(
    sd_bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "data" / "calibration.json"
    cap = calibrated_cap(sd_bench.model, kept)
    assert cap in TRIED
    assert list(json.loads(kept.read_text()).values()) == [cap]
    with monkeypatch.context() as patch:
        patch.setattr(calibration, "_seconds", lambda *_: pytest.fail("it was measured already"))
        assert calibrated_cap(sd_bench.model, kept) == cap


def test_another_memory_mode_is_measured_anew(
    sd_bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, model = tmp_path / "calibration.json", sd_bench.model
    monkeypatch.setattr(calibration, "_seconds", lambda model, images: float(images))
    assert calibrated_cap(model, kept) == 1
    # Layers that come from far away for each call pay for more images in it.
    monkeypatch.setattr(calibration, "_seconds", lambda model, images: 1.0)
    spared = replace(model, info=replace(model.info, memory=MemoryMode.SMALLER))
    assert calibrated_cap(spared, kept) == TRIED[-1]
    assert calibrated_cap(model, kept) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00"])
def test_a_spoiled_file_is_measured_anew_with_a_line_in_the_log(
    content: str, sd_bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = tmp_path / "calibration.json"
    kept.write_text(content)
    assert calibrated_cap(sd_bench.model, kept) in TRIED
    assert len(json.loads(kept.read_text())) == 1
    assert "cannot be read" in caplog.text
    assert "measuring again" in caplog.text


def test_what_was_measured_of_others_stays(sd_bench: Bench, tmp_path: Path) -> None:
    kept = tmp_path / "calibration.json"
    kept.write_text('{"another": 4}')
    cap = calibrated_cap(sd_bench.model, kept)
    assert sorted(json.loads(kept.read_text()).values()) == sorted([4, cap])


class Killed(BaseException):
    """Ends the process."""


def test_what_was_measured_when_the_process_ended_is_not_measured_again(
    sd_bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "calibration.json"
    measured: list[int] = []

    def seconds(model: Model, images: int) -> float:
        if images == 4 and 4 not in measured:
            measured.append(images)
            raise Killed
        measured.append(images)
        return 0.5 if images <= 4 else images

    monkeypatch.setattr(calibration, "_seconds", seconds)
    with pytest.raises(Killed):
        calibrated_cap(sd_bench.model, kept)
    assert calibrated_cap(sd_bench.model, kept) == 4
    assert measured == [1, 2, 4, 4, 8]
    assert list(json.loads(kept.read_text()).values()) == [4]


@pytest.mark.parametrize(
    "nonsense", [0, -3, 10**9, "many", None, True, {"1": "quick"}, {"1": -1.0, "2": 1e999}]
)
def test_nothing_that_somebody_wrote_into_the_file_is_believed_blindly(
    nonsense: object,
    sd_bench: Bench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(calibration, "_seconds", lambda model, images: 0.5 if images <= 2 else images)
    kept = tmp_path / "calibration.json"
    calibrated_cap(sd_bench.model, kept)
    key = next(iter(json.loads(kept.read_text())))
    kept.write_text(json.dumps({key: nonsense}))
    assert calibrated_cap(sd_bench.model, kept) == 2
    assert "measuring again" in caplog.text


def test_sdxl_is_measured_with_all_it_is_told(toy_sdxl: Path) -> None:
    assert calibrated_cap(Bench(str(toy_sdxl)).model, None) in TRIED
