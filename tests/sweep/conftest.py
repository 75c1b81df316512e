"""Hydra ready to compose, as in a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hydra import initialize_config_dir

from kws_exp import config as configuration


@pytest.fixture(scope="module")
def hydra_ready() -> Iterator[None]:
    configuration.register()
    with initialize_config_dir(str(configuration.CONFIG_ROOT / "conf"), version_base="1.3"):
        configuration._chosen.cache_clear()
        yield
