"""Files that fit into messages, however many there are."""

from __future__ import annotations

import io
import json
import random
import zipfile

from bot.exporting import ROWS_IN_A_FILE, Parcel, row_files


def test_a_parcel_is_never_larger_than_it_may_be() -> None:
    chance = random.Random(5)
    for limit in (2_000, 30_000):
        parcel, names = Parcel(limit), []
        for number in range(200):
            name, data = f"pictures/ü{number}.png", chance.randbytes(chance.randrange(3_000))
            if parcel.put(name, data, compress=number % 2 == 0):
                names.append(name)
        file = parcel.closed()
        assert limit * 0.5 < len(file) <= limit
        with zipfile.ZipFile(io.BytesIO(file)) as opened:
            assert opened.namelist() == names
            assert opened.testzip() is None


def test_text_that_fits_when_it_is_compressed_goes_in() -> None:
    parcel = Parcel(2_000)
    assert not parcel.put("a.json", b"x" * 10_000)
    assert parcel.put("a.json", b"x" * 10_000, compress=True)
    assert len(parcel.closed()) <= 2_000


def test_rows_are_files_by_what_they_are() -> None:
    told: dict[str, list[dict[str, object]]] = {
        "settings": [{"name": "pïng"}],
        "requests": [{"n": n} for n in range(ROWS_IN_A_FILE + 1)],
    }
    files = dict(row_files(told))
    assert list(files) == ["settings.json", "requests-1.json", "requests-2.json"]
    assert json.loads(files["settings.json"]) == [{"name": "pïng"}]
    assert json.loads(files["requests-2.json"]) == [{"n": ROWS_IN_A_FILE}]
