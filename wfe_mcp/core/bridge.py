"""The version of what a bridge on a developer's machine and its server say to each other."""

PROTOCOL = "1"
