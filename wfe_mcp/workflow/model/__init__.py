"""The models of the template format ``wfe/1``.

Source: design §5. ``schemas/template.schema.json`` and the reference are generated from these models.
"""

from wfe_mcp.workflow.model.base import LOOP_KEY, ROOTS, Shape, duration_s
from wfe_mcp.workflow.model.gates import (
    ApprovalGate,
    CommandGate,
    Expect,
    ExprGate,
    FilesGate,
    Gate,
    GitGate,
    OpinionGate,
    PluginGate,
    ReportGate,
)
from wfe_mcp.workflow.model.phases import (
    BUILTINS,
    SERVER_TOOLS,
    AgentPhase,
    BundleRef,
    Defaults,
    FlowPhase,
    ForEach,
    Handed,
    HttpCall,
    HumanPhase,
    LlmCall,
    LlmPhase,
    LoopPhase,
    Output,
    Phase,
    Step,
    StepOutput,
    StepsPhase,
    Until,
)
from wfe_mcp.workflow.model.rules import (
    BackoffRule,
    BlockRule,
    CompensateRule,
    FailureRule,
    GotoRule,
    NextStep,
    OnFail,
    PauseRule,
    Retry,
    RetryRule,
    StepRetry,
    SubflowRule,
    WaitHumanRule,
)
from wfe_mcp.workflow.model.template import Limits, Role, Template, Webhook, all_phases

__all__ = [
    "BUILTINS", "LOOP_KEY", "ROOTS", "SERVER_TOOLS", "AgentPhase", "ApprovalGate", "BackoffRule", "BlockRule", "BundleRef", "CommandGate",
    "CompensateRule", "Defaults", "Expect", "ExprGate", "FailureRule", "FilesGate", "FlowPhase", "ForEach", "Gate", "GitGate", "GotoRule",
    "Handed", "HttpCall", "HumanPhase", "Limits", "LlmCall", "LlmPhase", "LoopPhase", "NextStep", "OnFail", "OpinionGate",
    "Output", "PauseRule", "Phase", "PluginGate", "ReportGate", "Retry", "RetryRule", "Role", "Shape", "Step", "StepOutput",
    "StepRetry", "StepsPhase", "SubflowRule", "Template", "Until", "WaitHumanRule", "Webhook", "all_phases", "duration_s",
]  # fmt: skip
