"""The two services of git's protocol, on a repository of which the caller may see and write some refs alone.

Rules:
1. A ref that was not granted does not exist for the caller: it is not listed, and neither it nor what only it reaches can be asked for.
   That holds for the first version of the protocol, which is the one spoken here; the second hands out any object by its name.
2. Nothing of the repository's configuration takes part that could run a program or weaken this: our options come after it.
3. What is pushed is checked (fsck) before a ref names it, and lies on the disk before the answer.
"""

import os
from pathlib import Path
from typing import IO, Literal

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.git.command import require_repository, run_git_between

Service = Literal["git-upload-pack", "git-receive-pack"]
"""What a fetch and a push ask for."""

_SERVED_S = 900.0
_PUSHED_BYTES = 1 << 30
_OPTIONS = (
    *("transfer.fsckObjects=true", "receive.fsckObjects=true", "fetch.fsckObjects=true"),
    *("uploadpack.allowTipSHA1InWant=false", "uploadpack.allowReachableSHA1InWant=false"),
    *("uploadpack.allowAnySHA1InWant=false", "uploadpack.allowFilter=false"),
    *("receive.denyDeletes=false", "receive.denyNonFastForwards=false", "receive.denyCurrentBranch=refuse"),
    *("receive.autogc=false", "receive.advertisePushOptions=false", "receive.certNonceSeed="),
    *("core.fsync=committed", f"receive.maxInputSize={_PUSHED_BYTES}"),
    *("transfer.hideRefs=HEAD", "transfer.hideRefs=refs", "uploadpack.hideRefs=refs", "receive.hideRefs=refs"),
)


@dataclass(frozen=True, slots=True)
class GitGrant:
    """What a caller may do with the repository of the folder ``repository``.

    ``reads``: refs, or prefixes without a slash at the end, that may be fetched. ``writes``: the prefix of those that may be pushed;
    empty: none.
    """

    repository: Path
    reads: tuple[str, ...] = ()
    writes: str = ""

    def allows(self, service: Service) -> bool:
        """Whether the service is open to the caller at all."""
        return bool(self.writes if service == "git-receive-pack" else self.reads)


def serve(grant: GitGrant, service: Service, given: IO[bytes], answer: IO[bytes], *, lists: bool = False) -> str:
    """Run ``service`` on the bytes ``given``, its output to ``answer``; both are files. ``lists``: only list the refs.

    The reason where git refused, for the log of the server: the caller reads its own in the answer. Refuses ``unavailable``: git
    answered nothing.
    """
    common = require_repository(grant.repository).common
    pushes = service == "git-receive-pack"
    scopes = ("transfer", "receive" if pushes else "uploadpack")
    shown = (grant.writes,) if pushes else grant.reads
    options = (*_OPTIONS, *(f"{scope}.hideRefs=!{ref}" for ref in shown for scope in scopes))
    words = [word for option in options for word in ("-c", option)]
    words += [service.removeprefix("git-"), "--stateless-rpc", *(["--advertise-refs"] if lists else []), str(common)]
    before = answer.tell()
    done = run_git_between(grant.repository, *words, given=given, answer=answer, timeout_s=_SERVED_S)
    reason = done.stderr.decode(errors="replace").strip()[-500:] if done.returncode else ""
    if done.returncode and answer.seek(0, os.SEEK_END) == before:
        raise Refused(
            "unavailable",
            f"git {service.removeprefix('git-')} failed (exit {done.returncode}).",
            "Try again; the log of the server has the reason.",
            data={"reason": reason},
        )
    return reason
