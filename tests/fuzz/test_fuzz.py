"""The short form of the fuzzer: cases of all kinds, none of which may end badly; `make fuzz` runs them all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .calls import good_arguments, good_inputs, layer_classes
from .case import Room
from .kinds import KINDS, names
from .probes import PROBES
from .runner import BAD, Fuzzer, grouped, table
from .worker import draw

CASES = 220


def test_verdicts() -> None:
    cases = [("probe", number) for number in range(len(PROBES))]
    with Fuzzer(processes=2, seconds=6) as fuzzer:  # a hang takes that long, and a busy machine for the others
        results = fuzzer.run(cases)
    found = {result.text: result.verdict for result in results}
    assert found == {name: verdict for name, (verdict, _) in PROBES.items()}


def test_a_case_is_known_by_its_name(tmp_path: Path) -> None:
    def written(number: int) -> tuple[str, dict[str, bytes]]:
        own = tmp_path / "own"
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir()
        text = draw("smpl", number, 3, Room(tmp_path, own)).text
        return text, {path.name: path.read_bytes() for path in own.iterdir()}

    for name in ("smpl.pkl", "smpl.npz"):
        (tmp_path / name).write_bytes(bytes(range(256)) * 4)
    first = [written(number) for number in range(20)]
    assert first == [written(number) for number in range(20)]
    assert len({text for text, _ in first}) > 10


@pytest.mark.parametrize(("seed", "number"), [(2, 344), (5, 272), (11, 94)])
def test_damaged_motions_can_be_drawn(tmp_path: Path, seed: int, number: int) -> None:
    # moved keypoints of two numbers, moved keypoints, and a list nested deeper than NumPy pickles arrays
    case = draw("npz", number, seed, Room(tmp_path, tmp_path))
    assert case.text
    assert (tmp_path / "motion.npz").stat().st_size


@pytest.mark.slow
def test_nothing_ends_badly() -> None:
    with Fuzzer(seed=8, processes=2) as fuzzer:
        results = fuzzer.run(names(CASES))
    assert {result.kind for result in results} == set(KINDS) - {"probe"}
    assert not [result for result in results if result.verdict in BAD], table(results) + "\n" + grouped(results)


def test_every_layer_can_be_built() -> None:
    for name, cls in layer_classes().items():
        if name not in ("HyperConv", "SkeletonConv"):
            cls(**good_arguments(name))(*good_inputs(name))
