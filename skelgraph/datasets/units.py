"""The units of length and the axes of motion files, by the names that callers give. Nothing here imports PyTorch."""

from __future__ import annotations

from typing import Literal

Unit = Literal["m", "cm", "mm", "inch"]
UNITS: dict[str, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254}
"""Metres of each unit."""

Axis = Literal["y", "z"]
"""Which axis points up."""
