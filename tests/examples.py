"""How many examples a property of its own size gets: all where ``CI`` is set, as ``.ci/run`` does, else a tenth.

Properties without a size of their own follow the profile in tests/conftest.py.
"""

import os

IS_CI = bool(os.environ.get("CI"))


def examples(many: int) -> int:
    return many if IS_CI else max(10, many // 10)


def seeds(many: int) -> range:
    """The random runs of a parametrized property."""
    return range(many if IS_CI else max(1, many // 4))
