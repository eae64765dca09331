"""Toy models and the engines that hold them, made once for all tests of the drawing side."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.generation.toys import MINI, Bench, build_sd, build_sdxl

# Nothing here may reach for the network, whatever a library would like to look up.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


@pytest.fixture
def own_hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which what comes from the hub is looked for."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture(scope="session")
def toy_sd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_sd(tmp_path_factory.mktemp("models") / "toy-sd")


@pytest.fixture(scope="session")
def toy_v(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_sd(tmp_path_factory.mktemp("models") / "toy-v", prediction="v_prediction")


@pytest.fixture(scope="session")
def toy_sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_sdxl(tmp_path_factory.mktemp("models") / "toy-sdxl")


@pytest.fixture(scope="session")
def sd_bench(toy_sd: Path) -> Bench:
    return Bench(str(toy_sd))


@pytest.fixture(scope="session")
def mini_bench() -> Bench:
    return Bench(MINI)


@pytest.fixture(scope="session")
def toy_nets(toy_sd: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ControlNets for the toy."""
    from tests.generation.controlled import build_controlnet

    folder = tmp_path_factory.mktemp("controlnets")
    for seed, name in enumerate(("toy-canny", "toy-depth", "toy-third")):
        build_controlnet(folder / name, toy_sd, seed)
    return folder
