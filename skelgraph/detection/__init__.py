"""Finding people in videos: detectors behind one protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skelgraph.lazy import lazy_exports

if TYPE_CHECKING:
    from skelgraph.detection.protocol import (
        DETECTORS,
        Detector,
        DetectorInfo,
        create_detector,
        detect_video,
        register_detector,
    )
    from skelgraph.detection.weights import fetch_weights

__all__ = [
    "DETECTORS",
    "Detector",
    "DetectorInfo",
    "create_detector",
    "detect_video",
    "fetch_weights",
    "register_detector",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, __all__, ("protocol", "weights"))
