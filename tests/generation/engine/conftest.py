"""Engines that draw with other families, made once for all tests."""

from __future__ import annotations

import pytest

from tests.generation.engine.lanes import Lane
from tests.generation.toys import build_flux, build_sd3


@pytest.fixture(scope="session")
def sd3(tmp_path_factory: pytest.TempPathFactory) -> Lane:
    return Lane(build_sd3(tmp_path_factory.mktemp("models") / "toy-sd3"))


@pytest.fixture(scope="session")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Lane:
    return Lane(build_flux(tmp_path_factory.mktemp("models") / "toy-flux"))


@pytest.fixture(params=["sd3", "flux"])
def lane(request: pytest.FixtureRequest) -> Lane:
    named: Lane = request.getfixturevalue(request.param)
    return named
