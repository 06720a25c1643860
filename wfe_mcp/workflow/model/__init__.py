"""The models of the template format ``wfe/1``.

Source: design §5. ``schemas/template.schema.json`` and the reference are generated from these models.
"""

from wfe_mcp.workflow.model.base import LOOP_KEY, Shape, duration_s
from wfe_mcp.workflow.model.expect import Expect
from wfe_mcp.workflow.model.gate_kind import GateLint, GateShape
from wfe_mcp.workflow.model.gates import (
    GATES,
    ApprovalGate,
    CommandGate,
    ExprGate,
    FilesGate,
    Gate,
    GitGate,
    OpinionGate,
    PluginGate,
    ReportGate,
)
from wfe_mcp.workflow.model.phases import (
    SERVER_TOOLS,
    AgentPhase,
    BundleRef,
    Defaults,
    FlowPhase,
    ForEach,
    Handed,
    HumanPhase,
    LlmPhase,
    LoopPhase,
    Phase,
    StepsPhase,
)
from wfe_mcp.workflow.model.rules import (
    BackoffRule,
    BlockRule,
    CompensateRule,
    FailureRule,
    GotoRule,
    OnFail,
    PauseRule,
    Retry,
    RetryRule,
    StepRetry,
    SubflowRule,
    WaitHumanRule,
)
from wfe_mcp.workflow.model.steps import BUILTINS, Step
from wfe_mcp.workflow.model.template import Role, Template, all_phases

__all__ = [
    "BUILTINS",
    "GATES",
    "LOOP_KEY",
    "SERVER_TOOLS",
    "AgentPhase",
    "ApprovalGate",
    "BackoffRule",
    "BlockRule",
    "BundleRef",
    "CommandGate",
    "CompensateRule",
    "Defaults",
    "Expect",
    "ExprGate",
    "FailureRule",
    "FilesGate",
    "FlowPhase",
    "ForEach",
    "Gate",
    "GateLint",
    "GateShape",
    "GitGate",
    "GotoRule",
    "Handed",
    "HumanPhase",
    "LlmPhase",
    "LoopPhase",
    "OnFail",
    "OpinionGate",
    "PauseRule",
    "Phase",
    "PluginGate",
    "ReportGate",
    "Retry",
    "RetryRule",
    "Role",
    "Shape",
    "Step",
    "StepRetry",
    "StepsPhase",
    "SubflowRule",
    "Template",
    "WaitHumanRule",
    "all_phases",
    "duration_s",
]
