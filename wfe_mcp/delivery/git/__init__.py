"""Branches, commits, pushes and merges by plumbing: no hook runs, the working folder stays as it is."""
