"""What a run is about: the inputs that someone gave it first, then those that are as in the template."""

from collections.abc import Iterable, Mapping
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.views.values.model import view_model
from wfe_mcp.workflow.load import input_schemas


@dataclass(frozen=True, slots=True)
class Input:
    """An input of the run. ``is_default``: it has the value that the template gives it."""

    name: str
    value: Any
    is_default: bool = False


@view_model
class InputList:
    """The inputs of a run."""

    inputs: tuple[Input, ...]


def input_list(engine: Engine, run_overview: Overview) -> InputList:
    """The inputs of a run as it was started with them."""
    with engine.store.read() as tx:
        inputs = tx.documents.load(run_overview.loaded.record.inputs_sha256)
    return InputList(inputs=inputs_shown(run_overview.plan.template.inputs, inputs))


def inputs_shown(declared: Mapping[str, Any], inputs: Mapping[str, Any]) -> tuple[Input, ...]:
    """``inputs`` in the order in which a person reads them. ``declared``: their schema in the template."""
    usual = {name: own["default"] for name, own in input_schemas(declared).items() if "default" in own}
    every: Iterable[Input] = (
        Input(name, value, name in usual and usual[name] == value) for name, value in inputs.items()
    )
    return tuple(sorted(every, key=lambda each: each.is_default))
