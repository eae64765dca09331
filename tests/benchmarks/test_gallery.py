"""The benchmark of the gallery: what it makes up is whole, and what it says can be read by programs."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.crowd import Crowd, build
from benchmarks.gallery import measure, report
from benchmarks.thumbnails import of_photograph


def test_a_small_gallery_is_made_and_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gallery.db"
    build(path, Crowd(posts=400, people=40, likes=2000))

    connection = sqlite3.connect(path)
    for index in ("posts_found", "gallery_trigrams"):
        connection.execute(f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)")
    # What triggers would have counted.
    counted = "SELECT word, count(*) FROM post_words GROUP BY word ORDER BY word"
    words = connection.execute("SELECT word, posts FROM gallery_words ORDER BY word").fetchall()
    assert connection.execute(counted).fetchall() == words
    wrong = "SELECT count(*) FROM posts WHERE likes != (SELECT count(*) FROM likes WHERE post = id)"
    assert connection.execute(wrong).fetchone() == (0,)
    wrong = "SELECT count(*) FROM posts WHERE size - 1 != length({0}) - length(replace({0}, ' ', ''))"
    assert connection.execute(wrong.format("trim(heading || ' ' || words)")).fetchone() == (0,)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()

    measured = asyncio.run(measure(path, 400, times=1, cold=hasattr(os, "posix_fadvise")))
    report([measured], 1, tmp_path / "out", of_photograph())
    *said, last = capsys.readouterr().out.splitlines()
    figures = json.loads(last)
    assert figures["p99_ms"]["400"]["search: a common word"] > 0
    assert figures["megabytes"]["400"]["all"] > 0.1
    assert 2 < figures["thumbnail_kb"]["a photograph"] < 100
    assert said[-1] == f"plot: {tmp_path / 'out' / 'gallery.png'}"
    with Image.open(tmp_path / "out" / "gallery.png") as plot:
        assert plot.width > 800
