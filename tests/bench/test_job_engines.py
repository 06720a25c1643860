"""``python -m bench job-engines`` compares jobs that are delivered with jobs that are polled, as where procrastinate is not installed."""

import importlib

import pytest

from bench.engines.worker import VARIANTS, without_package


@pytest.mark.parametrize("variant", VARIANTS)
def test_only_polled_workers_are_without_the_package(variant: str) -> None:
    with without_package(variant):
        if variant == "delivered":
            assert importlib.import_module("procrastinate")
        else:
            with pytest.raises(ModuleNotFoundError):
                importlib.import_module("procrastinate")
    assert importlib.import_module("procrastinate")
