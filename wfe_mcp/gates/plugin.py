"""Gates of installed packages.

The package's function gets a ``GateScene`` and returns a ``Judgement`` (``passed``, ``failed``, ``undecided``). Any
other result, and any exception, is an error of the gate: never a pass, never a crash of the server.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.gates.judgement import MAX_MESSAGE_CHARS, Judgement, undecided
from wfe_mcp.gates.scene import GateScene
from wfe_mcp.jobs.child import ChildNotStarted
from wfe_mcp.jobs.job_context import ChildStopped
from wfe_mcp.resources import PlugIn, PlugInFault, plugins
from wfe_mcp.workflow.model.gates import PluginGate
from wfe_mcp.workflow.plugin_gates import judge_of, with_faults

__all__ = ["GateScene", "judge"]

KIND = "plugin"
MAX_EVIDENCE_CHARS = 200_000
_DOCTOR = "ask the user to fix or install the package; wfe-mcp doctor reports what is wrong."
_LOG = logging.getLogger(__name__)


def judge(gate: PluginGate, scene: GateScene) -> Judgement:
    """Judge by a gate of an installed package."""
    name, scene = gate.use, replace(scene, settings=gate.with_)
    plugin = plugins("gates").get(name)
    if plugin is None:
        return undecided(KIND, f"No installed package provides the gate {name!r}.", _DOCTOR, {"gate": name})
    try:
        function = judge_of(plugin)
    except PlugInFault as fault:
        return undecided(KIND, f"The gate cannot judge: {fault}.", _DOCTOR, _about(plugin, scene))
    if faults := with_faults(function, scene.settings):
        details = "; ".join(f"{fault.path or '/'} {fault.message}" for fault in faults)
        message = f"Invalid settings for the gate {name!r}: {details}."
        return undecided(KIND, message, "correct the template.", _about(plugin, scene))
    return _call_judge(plugin, function, scene)


def _call_judge(plugin: PlugIn, function: Callable[[Any], object], scene: GateScene) -> Judgement:
    try:
        judgement = function(scene)
    except ChildStopped:  # the job must end: this is no verdict
        raise
    except ChildNotStarted as fault:
        return _wrong(plugin, scene, f"its program could not start: {fault}")
    except (Exception, SystemExit) as fault:
        _LOG.exception("the gate %s failed", plugin.name)
        return _wrong(plugin, scene, f"{type(fault).__name__}: {fault}")
    if not isinstance(judgement, Judgement) or judgement.kind is VerdictKind.AWAITING:
        return _wrong(plugin, scene, "it returned no Judgement of pass, fail or error")
    try:
        size = len(canonical_json(judgement.data))
    except (TypeError, ValueError) as fault:
        return _wrong(plugin, scene, f"its evidence is not JSON: {fault}")
    if size > MAX_EVIDENCE_CHARS:
        return _wrong(plugin, scene, f"its evidence is longer than {MAX_EVIDENCE_CHARS:,} characters")
    message = str(judgement.message)[:MAX_MESSAGE_CHARS]
    return Judgement(
        judgement.outcome, message, _about(plugin, scene) | {"found": judgement.data}, KIND, judgement.log_path
    )


def _wrong(plugin: PlugIn, scene: GateScene, why: str) -> Judgement:
    message = f"The gate {plugin.name!r} of the package {plugin.package} failed: {why}."
    return undecided(KIND, message, _DOCTOR, _about(plugin, scene))


def _about(plugin: PlugIn, scene: GateScene) -> dict[str, Any]:
    return {"gate": plugin.name, "package": plugin.package, "with": dict(scene.settings)}
