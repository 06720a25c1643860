"""The files of a run in its project: mirrors, drift of sealed artifacts, the bound working tree, checkpoints."""
