"""How many images a call draws is measured, kept, and measured again when something changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from generation.engine import calibration
from generation.engine.calibration import LARGEST, TRIED, calibrated_cap, cap_for, knee
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


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', "\x00"])
def test_a_spoiled_file_is_measured_anew(content: str, sd_bench: Bench, tmp_path: Path) -> None:
    kept = tmp_path / "calibration.json"
    kept.write_text(content)
    assert calibrated_cap(sd_bench.model, kept) in TRIED
    assert json.loads(kept.read_text())


def test_nothing_that_somebody_wrote_into_the_file_is_believed_blindly(
    sd_bench: Bench, tmp_path: Path
) -> None:
    kept = tmp_path / "calibration.json"
    calibrated_cap(sd_bench.model, kept)
    key = next(iter(json.loads(kept.read_text())))
    for nonsense in (0, -3, 10**9, "many", None):
        kept.write_text(json.dumps({key: nonsense}))
        assert calibrated_cap(sd_bench.model, kept) in TRIED


def test_sdxl_is_measured_with_all_it_is_told(toy_sdxl: Path) -> None:
    assert calibrated_cap(Bench(str(toy_sdxl)).model, None) in TRIED
