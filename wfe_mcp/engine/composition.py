"""What follows a command, in order. The one module that names every capability; a new one is a package and a line here.

command ──► reactions, until none is due ──► before_save ──► commit ──► after_commit
"""

from wfe_mcp.engine.approvals.requests import reissue_requests
from wfe_mcp.engine.delivery.attest import attest_completed
from wfe_mcp.engine.delivery.reverted_items import follow_revert
from wfe_mcp.engine.evaluation.files_gates import judge_from_look
from wfe_mcp.engine.evaluation.reactions import (
    answer_condition,
    end_time,
    end_waits,
    judge_inline_gate,
    seal_artifacts,
    synchronize_jobs,
)
from wfe_mcp.engine.files.checkpoints import note_completed_files, save_completed_files
from wfe_mcp.engine.files.mirrors import write_mirrors
from wfe_mcp.engine.files.tree_binding import keep_look
from wfe_mcp.engine.history.rollback_recovery import end_interrupted
from wfe_mcp.engine.kernel.reactions import Composition, anchor_log, notify_listeners
from wfe_mcp.engine.models.call_log import record_after_commit
from wfe_mcp.engine.outbox.outbox import publish_changes
from wfe_mcp.engine.phases.model_worker import start_model_work
from wfe_mcp.engine.phases.steps import start_compensation, start_steps
from wfe_mcp.engine.templates.catalogue import known_templates
from wfe_mcp.engine.work.following import follow_findings, follow_items

COMPOSITION = Composition(
    finish_rollback=end_interrupted,
    reactions=(
        end_time,
        answer_condition,
        judge_inline_gate,
        judge_from_look,
        end_waits,
        start_steps,
        start_model_work,
        start_compensation,
    ),
    before_save=(
        reissue_requests,
        synchronize_jobs,
        seal_artifacts,
        follow_findings,
        follow_items,
        follow_revert,
        note_completed_files,
        publish_changes,
    ),
    after_commit=(
        keep_look,
        anchor_log,
        write_mirrors,
        save_completed_files,
        attest_completed,
        record_after_commit,
        notify_listeners,
    ),
    known_templates=known_templates,
)
