"""Files: untrusted ones are read without executing anything and in memory bounded by their size; writing is atomic."""

from typing import TYPE_CHECKING

from skelgraph.files.archives import StoredFile, stored_files
from skelgraph.files.foreign import ForeignFiles
from skelgraph.files.json_text import parse_json, read_json, to_json
from skelgraph.files.mat import read_mat
from skelgraph.files.npz import npz_members, read_npz
from skelgraph.files.pickles import RefusedError, Skipped
from skelgraph.files.regular import as_path, open_regular
from skelgraph.files.toml_text import read_toml
from skelgraph.files.video import is_video, read_video, write_video
from skelgraph.files.writing import write_file, writing
from skelgraph.files.xml_text import read_xml
from skelgraph.lazy import lazy_exports

if TYPE_CHECKING:
    from skelgraph.files.checkpoints import is_safetensors, read_checkpoint

__all__ = [
    "ForeignFiles",
    "RefusedError",
    "Skipped",
    "StoredFile",
    "as_path",
    "is_safetensors",
    "is_video",
    "npz_members",
    "open_regular",
    "parse_json",
    "read_checkpoint",
    "read_json",
    "read_mat",
    "read_npz",
    "read_toml",
    "read_video",
    "read_xml",
    "stored_files",
    "to_json",
    "write_file",
    "write_video",
    "writing",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, __all__, ("checkpoints",))  # which imports PyTorch
