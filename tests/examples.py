"""How many examples a property of its own size gets: all where ``CI`` is set, as ``.ci/run`` does, else a quarter.

Properties without a size of their own follow the profile in tests/conftest.py.
"""

import os


def examples(many: int) -> int:
    return many if os.environ.get("CI") else max(10, many // 4)
