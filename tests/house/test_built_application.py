"""The committed browser application is that of its sources; an installation needs no node."""

import gzip
import json
import re

from scripts.build_web import BUILT, WEB, stale

MOST_BYTES = 700_000


def test_the_committed_application_is_built_from_the_sources_beside_it() -> None:
    assert stale(BUILT) == ""


def test_the_application_is_one_file_that_loads_nothing_from_elsewhere() -> None:
    page = (BUILT / "index.html").read_text(encoding="utf-8")
    before, _, after = page.partition("<script>")
    assert re.findall(r'(?:src|href)="([^"]*)"', before + after.rpartition("</script>")[2]) == ["/icon.svg", "/"]
    assert page.count("</script>") == 1
    assert "@import" not in page


def test_the_application_is_small() -> None:
    assert len(gzip.compress((BUILT / "index.html").read_bytes(), 9, mtime=0)) < MOST_BYTES


def test_every_package_of_the_application_has_an_exact_version_and_no_address() -> None:
    wanted = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
    for name, version in (wanted["dependencies"] | wanted["devDependencies"]).items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))
    assert not [name for name, each in lock["packages"].items() if "resolved" in each]
    assert all("integrity" in each for name, each in lock["packages"].items() if name)
