"""The table of sums that statistics read, under the rules of ``tables.py``."""

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
