"""Whether bubblewrap can make a sandbox here."""

import pytest

from wfe_mcp.jobs.sandbox import sandbox_fault

NEEDS_SANDBOX = pytest.mark.skipif(sandbox_fault() is not None, reason=f"no sandbox here: {sandbox_fault()}")
"""For tests that need one."""
