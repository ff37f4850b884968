"""Files: untrusted ones are read without executing anything and in memory bounded by their size; writing is atomic."""

from typing import TYPE_CHECKING

from skelgraph.files.json_text import parse_json, read_json
from skelgraph.files.npz import read_npz
from skelgraph.files.pickles import RefusedError, Skipped
from skelgraph.files.regular import as_path, open_regular
from skelgraph.files.writing import write_file
from skelgraph.lazy import lazy_exports

if TYPE_CHECKING:
    from skelgraph.files.checkpoints import is_safetensors, read_checkpoint

__all__ = [
    "RefusedError",
    "Skipped",
    "as_path",
    "is_safetensors",
    "open_regular",
    "parse_json",
    "read_checkpoint",
    "read_json",
    "read_npz",
    "write_file",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, __all__, ("checkpoints",))  # which imports PyTorch
