"""Formats a figure with its budget."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value, its unit, and its limit (None: no budget, shown for comparison).

    ``lines``: what the value counts, printed whole below it, one line each.
    """

    name: str
    value: float
    unit: str
    budget: float | None = None
    note: str = ""
    lines: tuple[str, ...] = ()


def median(values: list[float]) -> float:
    """The median."""
    return percentile(values, 50)


def percentile(values: list[float], percent: float) -> float:
    """The value below which ``percent`` of all lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def print_figures(title: str, figures: list[Figure]) -> bool:
    """Print a block; True when every figure is within its budget."""
    print(f"\n{title}")
    for figure in figures:
        budget = "" if figure.budget is None else f"budget {figure.budget:g}"
        verdict = "" if figure.budget is None else ("ok" if figure.value <= figure.budget else "MISSED")
        value = f"{figure.value:,.1f} {figure.unit}"
        print(f"  {figure.name:<58} {value:>16}  {budget:<13} {verdict:<7} {figure.note}".rstrip(), flush=True)
        for line in figure.lines:
            print(f"    {' '.join(line.split())}", flush=True)
    return all(figure.budget is None or figure.value <= figure.budget for figure in figures)
