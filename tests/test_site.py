"""The pages of the site that are made from the library: a page for every layer and network, and the results, which are
those of the files that commands have written."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import skelgraph.nn
from skelgraph import as_skeleton
from skelgraph.models.registry import model_info
from skelgraph.nn import SemGraphConv

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module", autouse=True)
def _extensions() -> Iterator[None]:
    folder = str(ROOT / "docs" / "_ext")
    sys.path.insert(0, folder)
    yield
    sys.path.remove(folder)


@pytest.fixture(scope="module")
def reference(_extensions: None) -> ModuleType:
    import reference

    return reference


@pytest.fixture(scope="module")
def results(_extensions: None) -> ModuleType:
    import results

    return results


def test_every_layer_has_a_page(reference) -> None:
    exported = {name for name in skelgraph.nn.__all__ if inspect.isclass(getattr(skelgraph.nn, name))}
    exported.add("ConvFactory")
    paged = [name for names in reference.GROUPS.values() for name in names]
    assert len(paged) == len(set(paged))
    assert exported == set(paged) | set(reference.NO_PAGE)


def test_what_packages_export_is_on_their_pages(reference) -> None:
    pages = dict(reference.api_pages())
    told = "".join(pages.values())
    for name in set(skelgraph.__all__):
        assert re.search(rf"\.\. auto(class|function):: skelgraph\.\S+\.{name}\n", told) or "Error" in name, name
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `skelgraph\.(\w+)` \|", readme, re.MULTILINE))
    assert listed - set(reference.API) == {"nn", "weights"}  # layers have pages of their own; weights are no code
    models = pages["api/models.md"]
    assert ".. autofunction:: skelgraph.models.load_official" in models
    assert "SemGCN" not in models
    assert ".. autofunction:: skelgraph.viz.viewer.write_viewer" in pages["api/viz.md"]


def test_the_files_of_the_repository_lead_to_pages_of_the_site(reference) -> None:
    for name, text in reference.project_pages():
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
            page = (ROOT / "docs" / "reference" / name).parent / link
            assert link.startswith("https://") or page.resolve().exists() or page.stem in reference.PROJECT, (
                name,
                link,
            )


def test_a_page_says_what_the_layer_does(reference) -> None:
    pages = dict(reference.layer_page("SemGraphConv", ["sem_gcn"], ""))
    assert set(pages) == {"layers/SemGraphConv.md", "layers/SemGraphConv.png"}
    text = pages["layers/SemGraphConv.md"]
    assert ".. autoclass:: skelgraph.nn.SemGraphConv" in text
    assert f"{sum(p.numel() for p in SemGraphConv(64, 64, as_skeleton('h36m17')).parameters()):,}" in text
    assert "../models/sem_gcn.md" in text
    assert "SemGraphConv" in reference.layers_of("sem_gcn")
    assert "SemGraphConv" not in reference.layers_of("martinez")


def test_the_page_of_a_base_has_the_methods_that_a_layer_of_ones_own_writes(reference) -> None:
    text = dict(reference.layer_page("HyperConv", [], ""))["layers/HyperConv.md"]
    for cls, names in reference.BASES.items():
        assert all(callable(getattr(getattr(skelgraph.nn, cls), name)) for name in names)
    assert ":members: forward, two_stages, factors, fix_stages, stages, reset_parameters\n" in text


def test_equations_in_a_first_sentence_are_set(reference) -> None:
    sentence = reference.first_sentence(skelgraph.nn.WeightedJacobiConv)
    assert r"$\alpha = 1 / (1 + s)$" in sentence
    assert r"`\alpha" not in sentence


def test_the_page_of_a_network(reference) -> None:
    page = reference.model_page(model_info("rs_net"), {})
    assert "![Keypoints that reach a joint of rs_net](rs_net.png)" in page
    assert "37.28" in page
    assert '`create_model("rs_net")` builds it on `h36m17`, 17 joints; it was published on `h36m16`' in page
    assert "normalize_screen(pixels, width, height)  # (B, J, 2), float32" in page
    assert "published on" not in "".join(reference.called(model_info("video_pose")))
    runs = reference.open_runs("rs_net")
    assert len(runs) > 1
    for run in runs:
        assert f"{run['sets']['S02']['mpjpe_mm']:.1f} / {run['sets']['S02']['p_mpjpe_mm']:.1f}" in page
    assert reference.network_diagram("martinez").startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["README.md", "docs/index.md"])
def test_the_results_on_a_page_are_those_of_the_files(results, name: str) -> None:
    text = (ROOT / name).read_text()
    assert results.written(text, results.PAGES[name]) == text
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", results.results(results.PAGES[name])):
        assert (ROOT / name).parent.joinpath(link).exists()


def test_results_are_read_off_not_written(results, monkeypatch: pytest.MonkeyPatch) -> None:
    model = results.measured("benchmarks/models")
    rows = [row | {"compiled": row["published"] / 7} for row in model["rows"] if row["model"] == "hgcn"]
    before = results.measured
    monkeypatch.setattr(
        results, "measured", lambda page: {"rows": rows} if page == "benchmarks/models" else before(page)
    )
    assert results.row(model_info("hgcn"))[-2:] == ["7.0", "7.0"]
    with pytest.raises(SystemExit, match="without the marks"):
        results.written("# A page\n", "")
