"""The table ``[claims]`` of config.toml: whether runs need claims, and the known answers that tests compare with."""

from wfe_mcp.workspace.config.checks import Name, ProjectPath
from wfe_mcp.workspace.config.table import Table, optional, required_key


class GoldSetSettings(Table):
    """One ``[claims.gold_sets.<name>]`` table: a file of the project with known answers."""

    effect = "reads"

    path: ProjectPath = required_key("The file with the known answers: CSV, JSON or JSON lines.")
    key: str = required_key("The column that names an answer.", min_length=1)
    value: str = required_key("The column with the answer.", min_length=1)


class ClaimSettings(Table):
    """``require``: no run passes a gate on claims without a claim."""

    effect = "policy"

    require: bool = optional(
        False, "Whether a gate on claims fails a run that has none; `false`: the gate of a template says so itself."
    )
    gold_sets: dict[Name, GoldSetSettings] = optional(
        {}, "Files with known answers; the tests of claims name them.", noun="gold set"
    )
