"""Runs over time: graph, timing, statistics, comparison, news."""
