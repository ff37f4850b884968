"""What a check of files says: findings, and those that every data set has."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeGuard

import numpy as np

from skelgraph.datasets.pose_dataset import PoseDataset
from skelgraph.datasets.preparation.recordings import listed
from skelgraph.datasets.registry import load_dataset
from skelgraph.errors import SkelgraphError
from skelgraph.text import plain

Verdict = Literal["right", "wrong", "look", "told"]
"""As it should be; not so; unusual; said without a verdict, because nothing is published that it could be held to."""

PREPARE = "make it again: skelgraph data prepare --dataset {}"


class Finding(NamedTuple):
    """One thing that was checked.

    Attributes:
        where: The file, or what is read from it.
        what: What was checked.
        verdict: How it is.
        found: What there is.
        advice: What to do about it.
    """

    where: str
    what: str
    verdict: Verdict
    found: str
    advice: str = ""


def judged(where: str, what: str, right: bool, found: object, advice: str = "") -> Finding:
    """A finding that is right or wrong; the advice is for the second."""
    return Finding(where, what, "right" if right else "wrong", plain(str(found), 400), "" if right else advice)


def counted(where: str, what: str, frames: int, published: int, advice: str) -> Finding:
    """A finding of a number that is published."""
    found = f"{frames:,}" if frames == published else f"{frames:,}, published are {published:,}"
    return judged(where, what, frames == published, found, advice)


def counted_each(where: str, what: str, frames: Mapping[str, tuple[int, int]], advice: str) -> Finding:
    """A finding of numbers, each of which is published: what there is and what is published, by names."""
    odd = [f"{name} {found:,} of {published:,}" for name, (found, published) in frames.items() if found != published]
    return judged(where, what, not odd, listed(odd) or "as published", advice)


def read(
    where: str, advice: str, findings: list[Finding], reader: Callable[..., Any], *given: Any, **named: Any
) -> Any:
    """What a reader gives, or ``None`` and a finding of why it gives nothing."""
    try:
        return reader(*given, **named)
    except SkelgraphError as error:
        findings.append(Finding(where, "file", "wrong", plain(str(error), 1000), advice))
        return None


def is_array(array: Any, *shape: int | None) -> TypeGuard[np.ndarray]:
    """Whether it is an array of finite numbers of this shape; ``None`` is any size."""
    return (
        isinstance(array, np.ndarray)
        and array.dtype.kind in "iuf"
        and array.ndim == len(shape)
        and all(size is None or size == have for size, have in zip(shape, array.shape, strict=True))
        and bool(np.isfinite(array).all())
    )


def extent(arrays: Iterable[np.ndarray]) -> float:
    """How large a skeleton is: the median over frames of the longest side of the box around it."""
    sizes = [(array.max(-2) - array.min(-2)).max(-1).reshape(-1) for array in arrays if array.size]
    return float(np.median(np.concatenate(sizes))) if sizes else 0.0


def check_reading(name: str, splits: Iterable[str] = ("train", "test"), **options: Any) -> list[Finding]:
    """Read the splits of a data set as a training does, with all its questions whether the data are plausible.

    Args:
        name: The data set.
        splits: Of which ``"train"`` and ``"test"``.
        **options: Of :func:`~skelgraph.datasets.load_dataset`, the same for both; of ``train_subjects`` and
            ``test_subjects`` each split takes its own.
    """
    own = {split: options.pop(f"{split}_subjects", None) for split in ("train", "test")}
    findings: list[Finding] = []
    for split in splits:
        where = " ".join(filter(None, (name, options.get("variant"), options.get("keypoints"), split)))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            dataset: PoseDataset | None = read(
                where, "", findings, load_dataset, name, split, subjects=own[split], **options
            )
        if dataset is not None:
            step = options.get("downsample", 1)
            text = f"{len(dataset):,} frames{f' (every {step}th)' * (step > 1)}, {len(dataset.clips):,} clips, "
            text += f"{len(dataset.actions)} actions: {', '.join(map(plain, dataset.subjects))}"
            findings.append(Finding(where, "reading", "right", text))
        findings += [Finding(where, "plausible", "look", plain(str(w.message), 1000)) for w in caught]
    return findings
