"""The version and the date of a release, each of which stands in several files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

NEWEST = re.compile(r"^## \[(?P<version>\d+\.\d+\.\d+)\] - (?P<date>\d{4}-\d{2}-\d{2}|unreleased)$", re.MULTILINE)


def newest_release(root: Path) -> tuple[str, str | None]:
    """Version and date of the newest release in the changelog; ``None`` where it is not dated yet."""
    match = NEWEST.search((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert match, "CHANGELOG.md has no heading such as ## [0.1.0] - 2026-01-31, or ## [0.1.0] - unreleased"
    return match["version"], None if match["date"] == "unreleased" else match["date"]


def citation(root: Path) -> dict[str, Any]:
    """What CITATION.cff says."""
    return yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))


def faults(root: Path, version: str) -> list[str]:
    """Where the files about the project say another version than this one, or two dates.

    Args:
        root: Folder of CHANGELOG.md and CITATION.cff.
        version: The version of the package.
    """
    released, date = newest_release(root)
    cited = citation(root)
    found = []
    if released != version:
        found.append(f"CHANGELOG.md: the newest release is {released}, the package is {version}")
    if str(cited.get("version")) != version:
        found.append(f"CITATION.cff: version is {cited.get('version')}, the package is {version}")
    cited_date = cited.get("date-released")
    if (None if cited_date is None else str(cited_date)) != date:
        found.append(f"CITATION.cff: date-released is {cited_date}, CHANGELOG.md says {date}")
    return found
