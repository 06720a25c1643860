"""The tools of the clients and the commands of the shell, by what they do."""


def word_set(text: str) -> "frozenset[str]":
    """The words of ``text``."""
    return frozenset(text.split())


_NAMES = {
    "read": "read read_file read_many_files notebookread view_image",
    "list": "glob ls list_directory list_dir",
    "search": "grep grep_search search_file_content grep_files",
    "write": "write write_file",
    "edit": "edit multiedit notebookedit replace apply_patch",
    "bash": "bash run_shell_command shell exec_command write_stdin powershell",
}
KINDS = {name: kind for kind, names in _NAMES.items() for name in names.split()}
"""The clients' names of tools, in small letters → wfe-mcp's name of the same tool in ``tools_allowed``."""

FREE = word_set(
    """
    todowrite todoread task agent taskcreate taskget tasklist taskoutput taskstop taskupdate askuserquestion
    enterplanmode exitplanmode toolsearch skill slashcommand bashoutput killshell listmcpresourcestool
    readmcpresourcetool sendmessage structuredoutput waitformcpservers update_plan request_user_input
    tool_search list_mcp_resources list_mcp_resource_templates read_mcp_resource write_todos ask_user
    activate_skill complete_task enter_plan_mode exit_plan_mode save_memory get_internal_docs cli_help
    update_topic
    """
)
"""Tools that plan, ask and look up; they change nothing in the project."""

DECISIONS = word_set(
    """
    approve reject retry skip edit force-accept proceed resume trust pin approvers init auto token templates
    restore prune vacuum uninstall install
    """
)

DECIDING_PARTS = {"templates": frozenset({"default", "enable", "disable", "archive"})}

READERS = word_set(
    """
    cat ls head tail grep egrep fgrep rg ag find fd wc sort uniq diff cmp file stat tree pwd echo printf
    true false test [ [[ cd pushd popd which type whoami date du df basename dirname realpath readlink cut
    tr nl jq sed awk less more strings od xxd sha256sum shasum md5sum column comm tac seq sleep export set
    unset : exit printenv uname for in case esac tee
    """
)

GIT_READS = word_set(
    """
    status diff log show blame rev-parse ls-files ls-tree grep describe cat-file shortlog rev-list
    merge-base name-rev check-ignore whatchanged for-each-ref help version
    """
)

GIT_LISTS = frozenset({"branch", "tag", "remote", "stash", "worktree", "reflog"})

GIT_WRITES = word_set(
    """
    apply am checkout switch restore reset clean mv rm stash merge rebase pull cherry-pick revert
    filter-branch sparse-checkout submodule
    """
)

WRITERS = word_set(
    """
    tee cp mv rm rmdir unlink mkdir touch ln install truncate patch rsync unzip chmod chown ed ex vi vim
    nvim nano emacs sponge apply_patch shred
    """
)
