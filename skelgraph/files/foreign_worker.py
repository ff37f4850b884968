"""The process in which :mod:`skelgraph.files.foreign` lets other people's libraries read files.

It runs as a script and imports nothing of this package. A request is a line of JSON, ``{"kind", "file", "names",
"most"}``; the answer is a line of JSON, ``{"arrays": [[dtype, shape], ...]}`` and their bytes, or ``{"error": text}``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import numpy as np

MEMORY = 2**32
"""Bytes of address space that the process may have."""
FILTERS = {1, 2, 3}
"""Of HDF5: deflate, shuffle, checksum."""


class Refused(Exception):  # noqa: N818 - becomes the text of an error
    """What is in the file is not what is read."""


def read_hdf5(file: str, names: Sequence[str], most: int) -> list[np.ndarray]:
    """Read data sets of numbers that are stored in the file itself, in an HDF5 file."""
    import h5py

    arrays = []
    with h5py.File(file, "r") as group:
        for name in names:
            link = group.get(name, getlink=True)
            if link is None:
                listed = ", ".join(list(group)[:20]) or "none"
                raise Refused(f"has no data set {name!r}; it has: {listed}")
            # a soft or external link, an external or virtual data set could name any file of the user
            data = group[name] if isinstance(link, h5py.HardLink) else None
            if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual or data.dtype.kind not in "biuf":
                raise Refused(f"{name!r} is no data set of numbers that is stored in the file")
            properties = data.id.get_create_plist()
            if not FILTERS.issuperset(properties.get_filter(i)[0] for i in range(properties.get_nfilters())):
                raise Refused(f"{name!r} is compressed in a way that MATLAB does not write")
            most -= data.size * data.dtype.itemsize
            if most < 0:
                raise Refused(
                    f"{name!r} says that it has {data.size} numbers, more than are read of a file of its size"
                )
            arrays.append(data[()])
    return arrays


def read_cdf(file: str, names: Sequence[str], most: int) -> list[np.ndarray]:
    """Read variables of numbers of a CDF file."""
    import cdflib

    arrays = []
    cdf = cdflib.CDF(file)
    about = cdf.cdf_info()
    for name in names:
        present = [*about.rVariables, *about.zVariables]
        if name not in present:
            raise Refused(f"has no variable {name!r}; it has: {', '.join(present[:20]) or 'none'}")
        array = np.asarray(cdf.varget(name))
        most -= array.nbytes
        if array.dtype.kind not in "biuf" or most < 0:
            raise Refused(f"variable {name!r} is no array of numbers, or too large for a file of its size")
        arrays.append(array)
    return arrays


def read_table(file: str, names: Sequence[str], most: int) -> list[np.ndarray]:
    """Read the one table of numbers that pandas has written into an HDF5 file in its format "table": the pickled names
    of its columns as bytes, its index and its values."""
    import h5py

    with h5py.File(file, "r") as group:
        tables = [key for key in group if isinstance(group.get(key, getlink=True), h5py.HardLink)]
        tables = [key for key in tables if isinstance(group[key], h5py.Group) and "table" in group[key]]
        if len(tables) != 1:
            raise Refused(f"has {len(tables)} tables of pandas (format='table'), expected one")
        link = group[tables[0]].get("table", getlink=True)
        data = group[tables[0]]["table"] if isinstance(link, h5py.HardLink) else None
        if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual or data.ndim != 1:
            raise Refused("its table is no data set that is stored in the file")
        fields = data.dtype.fields or {}
        kinds = {name: field[0].base.kind for name, field in fields.items()}
        if (
            set(kinds) != {"index", "values_block_0"}
            or kinds["index"] not in "iu"
            or kinds["values_block_0"] not in "iuf"
        ):
            raise Refused(
                f"its table has {', '.join(map(str, list(fields)[:20]))}, expected numbers with numbered rows"
            )
        properties = data.id.get_create_plist()
        if not FILTERS.issuperset(properties.get_filter(i)[0] for i in range(properties.get_nfilters())):
            raise Refused("its table is compressed in a way of PyTables alone")
        most -= data.size * data.dtype.itemsize
        if most < 0:
            raise Refused(f"its table says that it has {data.size} rows, more than are read of a file of its size")
        columns = data.attrs.get("values_block_0_kind")
        if not isinstance(columns, bytes) or len(columns) > most:
            raise Refused("its table has no names of columns")
        rows = data[()]
        return [np.frombuffer(columns, np.uint8), rows["index"], rows["values_block_0"].reshape(len(rows), -1)]


READERS = {"HDF5": read_hdf5, "CDF": read_cdf, "table": read_table}


def answer(line: bytes) -> None:
    """Answer a request on standard output."""
    out, request, arrays = sys.stdout.buffer, json.loads(line), []
    about: dict[str, object]
    try:
        arrays = READERS[request["kind"]](request["file"], request["names"], request["most"])
        about = {"arrays": [[array.dtype.str, array.shape] for array in arrays]}
    except Refused as error:
        about = {"refused": str(error)}
    except ModuleNotFoundError as error:
        about = {"missing": error.name}
    except Exception as error:  # a damaged file fails in as many ways as there are lines in these libraries
        about = {"damaged": f"{type(error).__name__}: {error}"[:1000]}
    out.write(json.dumps(about).encode() + b"\n")
    for array in arrays if "arrays" in about else ():
        out.write(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    out.flush()


if __name__ == "__main__":
    del sys.path[0]  # the folder of this script, whose modules are no top-level ones
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    except (ImportError, OSError, ValueError):  # Windows has none, macOS refuses
        pass
    for each in sys.stdin.buffer:
        answer(each)
