"""The records that follow from the tables: which columns each has, and what it is. See ``generate_layout.py``."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Record:
    """A frozen dataclass with a field for each column of ``table``.

    ``only``, ``without``: for these alone, or for all but these. ``given``: for what the caller gives, without ``Filled``
    columns. ``base``: another record, whose fields it has too.
    """

    name: str
    table: str
    doc: str
    given: bool = False
    only: str = ""
    without: str = ""
    base: str = ""


RECORDS = {
    "run_records": (
        Record(
            "NewRequest",
            "Request",
            "An approval request for exactly these bytes, at exactly this gate.",
            given=True,
        ),
        Record(
            "RequestRecord",
            "Request",
            "A stored request; ``status`` shows whether a decision is still possible.",
        ),
        Record(
            "DecisionRecord",
            "Decision",
            "The one decision on a request. ``to``: the earlier phase a rejection goes back to.\n"
            "\n"
            "``ancestors``: the parent processes of the deciding one, nearest first; empty for a browser or form.",
            without="request_id",
        ),
        Record(
            "AttachmentHead",
            "Attachment",
            "An attachment without its content. ``number``: counted per run, from 1; ``sha256``: of the content.",
            without="content",
        ),
        Record(
            "AttachmentRecord",
            "Attachment",
            "An attachment with its content.",
            only="content",
            base="AttachmentHead",
        ),
        Record(
            "NewRunColumns",
            "Run",
            "The columns of ``NewRun``.",
            given=True,
        ),
        Record(
            "RunRecord",
            "Run",
            "One row of the run list. Each ``…_sha256`` except the template's names a document; only imported runs have an origin.",
            without="state, going_back, counted",
        ),
        Record(
            "OpenAttempt",
            "Attempt",
            "An attempt that may need action: its holder died, its time is over, its wait has ended.",
            without="iteration, repair, state",
        ),
        Record(
            "EventRecordColumns",
            "Event",
            "The columns of ``EventRecord``.",
            without="run_id, payload",
        ),
        Record(
            "RevisionHead",
            "Revision",
            "A revision of an artifact without its content. ``schema_name``: a shipped name, or ``inline``.",
            without="id, content",
        ),
        Record(
            "RevisionRecord",
            "Revision",
            "A revision of an artifact with its content, canonical JSON text.",
            only="content",
            base="RevisionHead",
        ),
        Record(
            "RefusedSubmissionColumns",
            "RefusedSubmission",
            "The columns of ``RefusedSubmission``.",
            without="id, errors",
        ),
        Record(
            "EvidenceRecord",
            "Evidence",
            "Evidence of a gate: exit codes, counts, hashes, and the tree and revision it is about.\n"
            "\n"
            "``gate``: its number within its stage, or ``NO_GATE`` when a check ran as the step that ``data`` names.",
        ),
        Record(
            "StepRecord",
            "StepRun",
            "One step of one attempt. ``does``: a description of the call; ``carried``: the attempt that ran it.\n"
            "\n"
            "``served_by``: the name and version that the MCP server reported.\n"
            "``enqueued`` counts its jobs, ``tries`` those that started; ``job_id`` is the job whose answer counts.",
        ),
        Record(
            "PrunedRun",
            "PrunedRun",
            "The record of a removed run. ``events``: how many it had; ``at``: when it was removed.",
        ),
    ),
    "job_records": (
        Record(
            "NewCall",
            "ModelCall",
            "A call about to be made. ``reserved_…``: the most that it may use; ``reserved_usd`` None: no known price.",
            given=True,
        ),
        Record(
            "Used",
            "ModelCall",
            "The use of a call, as counted by the provider; ``cost_usd`` None without a known price.",
            only="requests, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd",
        ),
        Record(
            "CallRecord",
            "ModelCall",
            "One call to a model.",
            without="counted",
        ),
        Record(
            "NewToolCall",
            "ToolCall",
            "A tool call about to be made.",
            given=True,
        ),
        Record(
            "ToolCallRecord",
            "ToolCall",
            "One use of a tool. ``ok`` None: it never ended. ``output`` may be cut; ``output_bytes`` and the hash are of the whole.",
        ),
        Record(
            "ToolUseColumns",
            "ToolCall",
            "The columns of ``ToolUse``.",
            only="id, phase, attempt, name, ok, started_at, duration_ms, output_bytes",
        ),
        Record(
            "NewJobColumns",
            "Job",
            "The columns of ``NewJob``.",
            given=True,
            without="run_at",
        ),
        Record(
            "JobRecordColumns",
            "Job",
            "The columns of ``JobRecord``.",
        ),
        Record(
            "OpinionRecord",
            "Opinion",
            'A reviewer\'s opinion. ``value``: a valid ``opinion@1``. ``artifact_sha256``: "" where no artifact was judged.\n'
            "\n"
            "``reviewer``: the role; ``provider`` and ``model``: its assignment at that time.\n"
            "``answered_by``: the model that answered, as its provider reports it; None in records from before. ``question_sha256``: of the whole question.",
        ),
    ),
    "project_records": (
        Record(
            "ItemRow",
            "Item",
            "A row of a work item. ``content``: its fields, as canonical JSON; ``last_seq``: its newest event.",
        ),
        Record(
            "ItemEventRecord",
            "ItemEvent",
            "One change of a work item: ``payload`` has the new values, as canonical JSON. A signature has the number of its item.",
        ),
        Record(
            "SettingEvent",
            "SettingEvent",
            "One change of a secret or of trust; the value is stored only as sha256 (None: removed).",
        ),
        Record(
            "TrustRecord",
            "Trust",
            "A person trusts exactly these bytes. ``path_key``: whose bytes (a real path, a template name).",
        ),
        Record(
            "ProjectRecord",
            "Project",
            "A project; ``root``: the folder in which it was first seen.",
        ),
        Record(
            "ProcessRecord",
            "Process",
            "A wfe-mcp process: a server with its client, or a page (``ui``) with its port. Start times identify a reused pid.",
        ),
        Record(
            "NewTemplateColumns",
            "Template",
            "The columns of ``NewTemplate``.",
            given=True,
        ),
        Record(
            "TemplateRecord",
            "Template",
            "A stored template version; its definition is the document ``sha256``.",
        ),
    ),
}
"""By the module of ``store/layout`` that they stand in."""
