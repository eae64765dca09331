"""What the benchmark of the chat says about what it saw."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.chat import MIX, WAYS, Measured, report


def test_the_last_line_is_json_and_beside_it_there_is_a_plot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = Measured(
        acknowledged={"imagine": [float(number) for number in range(99)], "queue": [990.04]},
        took_s=9.96,
        edits=[3, 4, 4],
        bot_rss_mb=62.96,
        ready_s=[2.5, 1.204, 1.1],
    )
    report(seen, tmp_path / "out")
    *said, last = capsys.readouterr().out.splitlines()
    figures = json.loads(last)
    assert (figures["ack_p50_ms"], figures["ack_p99_ms"], figures["ack_max_ms"]) == (50.0, 990.0, 990.0)
    assert (figures["edits_per_job"], figures["bot_rss_mb"], figures["ready_s"]) == (3.67, 63.0, 1.2)
    assert (figures["interactions"], figures["interactions_s"], figures["jobs"]) == (100, 10.0, 3)
    assert "acknowledged: queue" in said[1]
    with Image.open(tmp_path / "out" / "chat.png") as plot:
        assert plot.width > 800


def test_whatever_is_in_the_mix_can_be_done() -> None:
    assert set(MIX) <= WAYS.keys()
