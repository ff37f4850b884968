"""From what the owners of data sets distribute to the files that are read here, and checks of those files."""

from skelgraph.datasets.preparation.check_human36m import check_human36m
from skelgraph.datasets.preparation.check_mpi_inf_3dhp import check_mpi_inf_3dhp
from skelgraph.datasets.preparation.findings import Finding, check_reading
from skelgraph.datasets.preparation.human36m import prepare_human36m
from skelgraph.datasets.preparation.mpi_inf_3dhp import prepare_mpi_inf_3dhp
from skelgraph.datasets.preparation.recordings import Prepared

__all__ = [
    "Finding",
    "Prepared",
    "check_human36m",
    "check_mpi_inf_3dhp",
    "check_reading",
    "prepare_human36m",
    "prepare_mpi_inf_3dhp",
]
