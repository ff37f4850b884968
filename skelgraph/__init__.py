"""skelgraph: learning on skeleton graphs with PyTorch Geometric."""

from typing import TYPE_CHECKING

from skelgraph.errors import CheckpointError, DataError, SkelgraphError, TopologyError
from skelgraph.lazy import lazy_exports
from skelgraph.version import __version__ as __version__

if TYPE_CHECKING:
    from skelgraph.lifting import Lifter
    from skelgraph.models import create_model, export_model, list_models, load_model, load_official, optimize
    from skelgraph.topology import Skeleton, as_skeleton, convert_keypoints, list_skeletons, register_skeleton

__all__ = [
    "CheckpointError",
    "DataError",
    "Lifter",
    "Skeleton",
    "SkelgraphError",
    "TopologyError",
    "as_skeleton",
    "convert_keypoints",
    "create_model",
    "export_model",
    "list_models",
    "list_skeletons",
    "load_model",
    "load_official",
    "optimize",
    "register_skeleton",
]

if not TYPE_CHECKING:
    _PACKAGES = (
        "cli",
        "datasets",
        "detection",
        "files",
        "geometry",
        "metrics",
        "nn",
        "ops",
        "options",
        "recipes",
        "testing",
        "training",
        "viz",
    )
    __getattr__ = lazy_exports(__name__, __all__, ("topology", "models", "lifting"), _PACKAGES)
