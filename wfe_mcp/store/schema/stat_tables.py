"""The tables of sums that statistics read, under the rules of ``tables.py``."""

from sqlmodel import Field

from wfe_mcp.store.schema.base_table import Row


class PhaseSum(Row, table=True):
    """The tasks of a phase over the counted runs of a template: of those that began on ``day`` (UTC), and of all where it is empty.

    With an empty ``spent`` the counts; else how many tasks spent about ``bucket_s`` seconds on it, and their exact sum
    ``total_s``. ``place``: of the phase among those of its run. ``run.counted`` says which runs are within.
    """

    day: str = Field(primary_key=True)
    project_id: str = Field(primary_key=True, foreign_key="project.id")
    template: str = Field(primary_key=True)
    phase: str = Field(primary_key=True)
    spent: str = Field(primary_key=True)
    bucket_s: float = Field(primary_key=True)
    place: int = 0
    runs: int = 0
    tasks: int = 0
    attempts: int = 0
    judged: int = 0
    passed_first: int = 0
    over: int = 0
    passed: int = 0
    forced: int = 0
    total_s: float = 0.0


class UsageSum(Row, table=True):
    """What calls to models used, see ``jobs/usage_sums.py``: of a phase, of a role and model, or of a day; empty is all else.

    ``day`` as above: of the run for a phase, of the call for the others. ``model_call.counted`` says which calls are within.
    """

    of: str = Field(primary_key=True)
    day: str = Field(primary_key=True)
    project_id: str = Field(primary_key=True, foreign_key="project.id")
    template: str = Field(primary_key=True)
    phase: str = Field(primary_key=True)
    role: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    calls: int = 0
    failed: int = 0
    unpriced: int = 0
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0
