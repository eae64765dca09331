"""What `python -m bot` says when it cannot start: one sentence, exit code 1, no traceback."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


USUAL = {
    "PYTHONPATH": str(ROOT),
    "DISCORD_TOKEN": "a.b.c",
    "DISCORD_API_URL": "http://127.0.0.1:9/api/v10",  # nobody listens there
    "MODEL": "fake:noise",
}


def start(folder: Path, **variables: str) -> str:
    """Start the bot with these variables only, expect it to give up, and return the sentence it said."""
    (line,) = all_said(folder, **variables)
    return line


def all_said(folder: Path, **variables: str) -> list[str]:
    """The lines that it said, if there may be several."""
    bare = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "SYSTEMROOT")}
    done = subprocess.run(
        [sys.executable, "-m", "bot"],
        cwd=folder,
        env={**bare, **USUAL, **variables},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    return [line for line in done.stderr.splitlines() if " INFO " not in line]


def test_no_token(tmp_path: Path) -> None:
    assert start(tmp_path, DISCORD_TOKEN="") == (
        "DISCORD_TOKEN is not set; copy .env.example to .env and put your bot's token there."
    )


def test_a_broken_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DISCORD_TOKEN abc\n")
    assert start(tmp_path) == "Line 1 of .env is not understood; write it like NAME=value."


def test_a_setting_that_cannot_be(tmp_path: Path) -> None:
    assert start(tmp_path, MAX_STEPS="0") == (
        "MAX_STEPS cannot be used: it must be greater than or equal to 1."
    )


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    said = start(tmp_path, MODEL="./models/none")
    assert said.startswith("There is no model at ./models/none.")


def test_a_file_of_models_that_is_not_there(tmp_path: Path) -> None:
    assert start(tmp_path, MODELS="none.toml").startswith("MODELS is none.toml, and there is no such file;")


def test_everything_that_is_wrong_with_the_models_at_once(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(
        '[[model]]\nname = "A"\nsource = "./none"\nstep = 4\n[[model]]\nname = "a"\nsource = "fake:b"\n'
    )
    assert [said.partition(": ")[0] for said in all_said(tmp_path)] == [
        "Line 3 of models.toml",
        "Line 4 of models.toml",
        "Line 6 of models.toml",
    ]


def test_a_model_that_draws_nothing_as_small_as_it_must(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(
        '[[model]]\nname = "A"\nsource = "fake:a"\n[[model]]\nname = "B"\nsource = "models/mini"\n'
    )
    said = start(tmp_path, MAX_PIXELS="4096")
    assert said.startswith("MAX_PIXELS is 4096, but B draws nothing smaller than 96x96;")


def test_a_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file stands in the way")
    assert start(tmp_path).startswith("DATA_DIR is data, which cannot be written to")


def test_a_database_from_a_newer_version(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    database = sqlite3.connect(tmp_path / "data" / "atelier.db")
    database.executescript(
        "CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT, checksum TEXT, applied_at REAL);"
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 999)"
        "INSERT INTO migrations SELECT x, 'from the future', '', 0 FROM n;"
    )
    database.close()
    assert "is at version 999, and this program knows them up to" in start(tmp_path)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "atelier.db").write_bytes(b"not a database " * 1000)
    assert "atelier.db" in start(tmp_path)


def test_discord_out_of_reach(tmp_path: Path) -> None:
    assert start(tmp_path) == (
        f"Discord cannot be reached at {USUAL['DISCORD_API_URL']}; check the network, and try again."
    )
