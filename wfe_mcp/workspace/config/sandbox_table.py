"""The table ``[sandbox]`` of config.toml: what makes the sandboxes of checks."""

from wfe_mcp.workspace.config.table import Table, optional


class SandboxSettings(Table):
    """``[sandbox]``: only in your own configuration, once you have trusted it; on a runner it counts as it is."""

    effect = "starts"

    bubblewrap: str = optional(
        "",
        "The absolute path of bubblewrap, where it lies in none of the places where systems install it. Only in your "
        "own configuration, once you have trusted it.",
        weakens=bool,
        pattern=r"^(/.*)?$",
    )
    container: str = optional(
        "",
        "An image, such as `python:3.13-slim`: sandboxes are containers of it, made by podman or docker, instead of bubblewrap's. "
        "It must be on the machine, and has the programs of the checks. Only in your own configuration, as above.",
        weakens=bool,
        pattern=r"^([A-Za-z0-9_@][A-Za-z0-9_./:@-]*)?$",
    )
    container_program: str = optional(
        "",
        "The absolute path of podman or docker, where it lies in none of the places where systems install it.",
        weakens=bool,
        pattern=r"^(/.*)?$",
    )
    sha256: str = optional(
        "",
        "The sha256 of the program that is named here. With another, no sandbox is made, and the message names the one that was found.",
        weakens=bool,
        pattern=r"^([0-9a-f]{64})?$",
    )

    @property
    def is_own(self) -> bool:
        """Whether the person said something."""
        return self != SandboxSettings()
