"""What the benchmark of the whole path says about what it saw."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.path import Measured, report


def test_the_last_line_is_json_and_beside_it_there_is_a_plot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = Measured(
        pairs=[(1.1, 1.0), (1.3, 1.0), (2.4, 2.0)],
        acknowledged=[float(number) for number in range(100)],
        bot_rss_mb=62.96,
        first_picture_s=7.21,
    )
    report(seen, tmp_path / "out")
    *said, last = capsys.readouterr().out.splitlines()
    figures = json.loads(last)
    assert figures["overhead_ratio"] == 1.2
    assert (figures["path_ms"], figures["bare_ms"], figures["overhead_ms"]) == (1300.0, 1000.0, 300.0)
    assert (figures["ack_p50_ms"], figures["ack_p99_ms"]) == (50.0, 99.0)
    assert (figures["bot_rss_mb"], figures["first_picture_s"]) == (63.0, 7.2)
    assert said[-1] == f"plot: {tmp_path / 'out' / 'path.png'}"
    with Image.open(tmp_path / "out" / "path.png") as plot:
        assert plot.width > 800
