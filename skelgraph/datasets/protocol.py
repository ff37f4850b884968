"""How the poses of a data set are judged where the field has several ways: which joints, which thresholds."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Protocol:
    """What PCK and AUC are, and which joints count in any metric; results of different protocols do not compare.

    Args:
        name: Whose rule it is, for reports.
        auc_thresholds_mm: Thresholds whose PCK values AUC is the mean of, millimetres.
        pck_threshold_mm: An error strictly below it is a hit, millimetres.
        joints: Names of the joints that count, of the skeleton of the data set; ``None``: all.
    """

    name: str
    auc_thresholds_mm: tuple[float, ...]
    pck_threshold_mm: float = 150.0
    joints: tuple[str, ...] | None = None

    def up_to(self, threshold_mm: float) -> Protocol:
        """The same with another threshold of PCK; those of AUC keep their shares of it."""
        share = threshold_mm / self.pck_threshold_mm
        thresholds = tuple(share * threshold for threshold in self.auc_thresholds_mm)
        name = f"{self.name}, up to {threshold_mm:g} mm"
        return replace(self, name=name, pck_threshold_mm=threshold_mm, auc_thresholds_mm=thresholds)


GRAPHMLP = Protocol("GraphMLP", tuple(range(150)))
"""All joints; AUC over 0, 1, ..., 149 mm: `GraphMLP <https://github.com/Vegetebird/GraphMLP>`_ on MPI-INF-3DHP. Data
sets that have no rule of their own are judged by it."""

POSEAUG = Protocol("PoseAug", tuple(range(0, 151, 5)))
"""All joints; AUC over 0, 5, ..., 150 mm: `PoseAug <https://github.com/jfzhang95/PoseAug>`_, and so MLP-Graph."""

OFFICIAL_3DHP = Protocol("MPI-INF-3DHP", POSEAUG.auc_thresholds_mm)
"""The rule of the `data set's own <https://vcai.mpi-inf.mpg.de/3dhp-dataset/>`_ script; ``joints`` are to be set to the
14 that it judges (without pelvis, spine and head), in the names of the skeleton at hand."""
