"""How many examples a property of its own size gets: all with Hypothesis' profile ``ci``, else a tenth.

Properties without a size of their own follow the profile itself (tests/conftest.py).
"""

import os

import hypothesis


def examples(many: int) -> int:
    return many if hypothesis.settings.get_current_profile_name() == "ci" else max(10, many // 10)


def seeds(many: int) -> range:
    """The random runs of a parametrized property: all where ``CI`` is set, as ``.ci/run`` does, else a quarter."""
    return range(many if os.environ.get("CI") else max(1, many // 4))
