"""The engine of a project: it loads a run, decides, gathers evidence, appends and notifies.

``kernel`` changes runs and knows no capability; ``composition`` is the table of what follows each change.
"""
