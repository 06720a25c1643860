"""Counts, durations and sizes read as people write them."""

import pytest

from wfe_mcp.core.units import about, duration, join_names, ordinal, plural, shorten_names, size, spoken, unseen


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.8, "0.8 s"),
        (4, "4 s"),
        (59.96, "1 min"),
        (101, "1 min 41 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_wait_is_said_in_words_and_never_too_short() -> None:
    assert [spoken(each) for each in (-1, 1, 40.2, 60, 61, 7200, 90_000)] == [
        "1 second",
        "1 second",
        "41 seconds",
        "1 minute",
        "2 minutes",
        "2 hours",
        "2 days",
    ]


def test_about_has_one_unit() -> None:
    assert [about(each) for each in (-5, 59, 101, 7500)] == ["0 s", "59 s", "1 min", "2 h"]


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1_024, "1 KB"),
        (12_288, "12 KB"),
        (1024**2, "1.0 MB"),
        (1_572_864, "1.5 MB"),
        (1024**3, "1.0 GB"),
        (3 * 1024**3, "3.0 GB"),
    ],
)
def test_a_size_has_the_unit_that_fits(size_bytes: int, text: str) -> None:
    assert size(size_bytes) == text


def test_plurals_are_real() -> None:
    assert [plural(0, "run"), plural(1, "run"), plural(1200, "run"), plural(2, "process", "processes")] == [
        "0 runs",
        "1 run",
        "1,200 runs",
        "2 processes",
    ]


def test_the_last_of_several_names_stands_after_and() -> None:
    assert [join_names(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_long_lists_of_names_are_shortened() -> None:
    assert [shorten_names(["a", "b", "c"], most) for most in (2, 3)] == ["a, b and 1 more", "a, b, c"]


def test_ordinals_are_words_up_to_five() -> None:
    assert [ordinal(each) for each in (1, 3, 5, 6, 11, 21, 22, 23, 112)] == [
        "first",
        "third",
        "fifth",
        "6th",
        "11th",
        "21st",
        "22nd",
        "23rd",
        "112th",
    ]


def test_a_step_that_no_one_looks_at_hears_its_progress_all_the_same() -> None:
    with unseen("Copying") as progress:
        progress(1, 2)
