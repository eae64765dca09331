"""What a model needs besides its own files is told too while it comes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers.loaders import single_file
from huggingface_hub import constants

from generation.engine import downloads
from generation.engine.downloads import told
from generation.engine.tiny import FILES, load_tiny
from tests.generation.companions import build_taesd
from tests.generation.hub import Hub

REPO = "somebody/taesd"


def test_a_tiny_decoder_is_fetched_with_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "generation")
    build_taesd(tmp_path / "tiny")
    (tmp_path / "tiny" / "sample.png").write_bytes(b"of no use")
    heard: list[tuple[int, int]] = []
    hub = Hub(REPO, tmp_path / "tiny")
    with hub.open() as address, monkeypatch.context() as patch:
        changes = {
            "HF_HUB_OFFLINE": False,
            "ENDPOINT": address,
            "HUGGINGFACE_CO_URL_TEMPLATE": f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}",
            "HF_HUB_CACHE": tmp_path / "hub",
        }
        for name, value in changes.items():
            patch.setattr(constants, name, value)
        with told("dreams", lambda fetched, total: heard.append((fetched, total))):
            tiny = load_tiny(REPO, channels=4, device=torch.device("cpu"), dtype=torch.float32)
    assert tiny.config.latent_channels == 4
    total = sum((tmp_path / "tiny" / name).stat().st_size for name in FILES)
    assert heard[0] == (0, total)
    assert heard[-1] == (0, 0)
    assert "sample.png" not in hub.sent
    assert f"downloading dreams: 0.0 of {total / 1e6:.1f} MB" in caplog.text


def test_the_configuration_of_a_single_file_is_asked_for_in_the_same_way() -> None:
    assert single_file.snapshot_download is downloads._telling
