"""Very many sources on a cluster: workers that die, sources that fail, runs that are done again."""

import json
import os
import signal
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from full_disk import fill_disk
from keypoint_writers import first_frames

import skelgraph
from skelgraph import DataError, SkelgraphError
from skelgraph.datasets import four_views, read_motion_file, write_keypoints
from skelgraph.lifting import LiftSettings, Pipeline, lift_file, lift_on_cluster, listed_sources
from skelgraph.lifting import cluster as cluster_file
from skelgraph.lifting.record import begun_record
from skelgraph.lifting.sources import identity_of

SEEN = four_views()["cam02"].detections


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    skelgraph.create_model("martinez", "h36m16", hidden_channels=16).save_pretrained(folder)
    return LiftSettings.of(str(folder), format=("npz",))


@pytest.fixture(scope="module")
def cluster():
    """Two processors that all tests of this file share."""
    ray = pytest.importorskip("ray")
    pytest.importorskip("pyarrow")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # which workers cannot import
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


class Noted:
    """A pipeline that notes what it lifts, and whose process is killed at one source, a number of times."""

    def __init__(self, settings, folder, deadly, deaths):
        self.pipeline, self.folder, self.deadly, self.deaths = Pipeline(settings), folder, deadly, deaths

    def __call__(self, source, out, overwrite):
        if source.name == self.deadly:
            died = len(list(self.folder.glob("died*")))
            if died < self.deaths:
                (self.folder / f"died{died}").touch()
                out.mkdir(parents=True, exist_ok=True)
                (out / "lift.json").write_text(json.dumps(begun_record(identity_of(source), self.pipeline.settings)))
                os.kill(os.getpid(), signal.SIGKILL)
        before = (out / "person0.npz").exists()
        record = self.pipeline(source, out, overwrite=overwrite)
        if not before:
            descriptor = os.open(self.folder / "lifted", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(descriptor, f"{source.name}\n".encode())
            os.close(descriptor)
        return record


class Noting:
    def __init__(self, folder, deadly=None, deaths=0):
        self.folder, self.deadly, self.deaths = folder, deadly, deaths

    def __call__(self, settings):
        return Noted(settings, self.folder, self.deadly, self.deaths)

    def lifted(self):
        return sorted((self.folder / "lifted").read_text().split())


def kept(folder, count):
    """So many files of keypoints, each of another length, and where their results go."""
    (folder / "in").mkdir()
    for number in range(count):
        write_keypoints(folder / "in" / f"{number}.npz", first_frames(SEEN, 5 + number))
    return [(folder / "in" / f"{number}.npz", folder / "out" / f"{number}.npz") for number in range(count)]


def frames_of(out):
    return len(read_motion_file(out / "person0.npz").positions)


@pytest.mark.usefixtures("cluster")
def test_a_worker_that_is_killed_loses_nothing_and_doubles_nothing(settings, tmp_path):
    sources = kept(tmp_path, 36)
    (tmp_path / "in" / "11.npz").write_bytes(b"no keypoints")
    make = Noting(tmp_path, deadly="20.npz", deaths=1)
    outcomes = list(lift_on_cluster(sources, settings, workers=2, make=make))
    assert (tmp_path / "died0").exists()
    assert sorted(outcome.source for outcome in outcomes) == sorted(source for source, _ in sources)
    assert [outcome.source.name for outcome in outcomes if outcome.error] == ["11.npz"]
    assert make.lifted() == sorted(f"{number}.npz" for number in range(36) if number != 11)
    for number, (_, out) in enumerate(sources):
        if number != 11:
            assert frames_of(out) == 5 + number
            assert sorted(path.name for path in out.iterdir()) == ["lift.json", "person0.npz"]
    alone = lift_file(sources[20][0], tmp_path / "alone", settings)
    by_source = {outcome.source: outcome.record for outcome in outcomes}
    assert by_source[sources[20][0]]["people"] == alone["people"]
    assert np.array_equal(
        read_motion_file(sources[20][1] / "person0.npz").positions,
        read_motion_file(tmp_path / "alone" / "person0.npz").positions,
    )

    # the same again: only what is new
    write_keypoints(tmp_path / "in" / "new.npz", first_frames(SEEN, 7))
    sources.append((tmp_path / "in" / "new.npz", tmp_path / "out" / "new.npz"))
    outcomes = list(lift_on_cluster(sources, settings, workers=2, make=make))
    assert len(outcomes) == 37
    assert [outcome.source.name for outcome in outcomes if outcome.error] == ["11.npz"]
    assert make.lifted() == sorted([*(f"{number}.npz" for number in range(36) if number != 11), "new.npz"])
    assert {outcome.source: outcome.record for outcome in outcomes}.items() >= by_source.items()


def test_what_the_machine_does_to_one_source_stops_no_other(settings, tmp_path, monkeypatch):
    sources = kept(tmp_path, 2)
    (tmp_path / "file").write_text("where a folder should be")
    worker = cluster_file._Worker(Pipeline, settings, False, str(tmp_path))
    batch = {"source": np.array([str(source) for source, _ in sources])}
    batch["out"] = np.array([str(tmp_path / "file" / "0"), str(sources[1][1])])
    done = worker(batch)
    assert done["error"] == [f"{sources[0][0]}: {tmp_path / 'file' / '0'}: Not a directory.", ""]
    assert frames_of(sources[1][1]) == 6
    fill_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        worker({"source": batch["source"], "out": np.array([str(tmp_path / "a"), str(tmp_path / "b")])})


@pytest.mark.usefixtures("cluster")
def test_a_source_that_kills_every_worker_ends_the_run(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_file, "_RETRIES", 1)
    sources = kept(tmp_path, 2)
    make = Noting(tmp_path, deadly="1.npz", deaths=99)
    with pytest.raises(SkelgraphError, match=r"workers failed .*what is finished is kept"):
        list(lift_on_cluster(sources, settings, workers=1, make=make))
    assert len(list(tmp_path.glob("died*"))) == 2
    assert frames_of(sources[0][1]) == 5


@pytest.mark.usefixtures("cluster")
def test_what_a_uri_names_is_lifted_once(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept(tmp_path, 3)
    uri = (tmp_path / "in" / "1.npz").as_uri()
    (tmp_path / "list.txt").write_text(f"in/0.npz\n\n{uri}\n{uri}.missing\n")
    sources = listed_sources("list.txt", tmp_path / "out")
    make = Noting(tmp_path)
    for _ in range(2):
        outcomes = {
            str(outcome.source): outcome for outcome in lift_on_cluster(sources, settings, workers=2, make=make)
        }
        assert set(outcomes) == {"in/0.npz", uri, f"{uri}.missing"}
        assert outcomes[f"{uri}.missing"].error == f"{uri}.missing: is no file."
        assert outcomes[uri].record["source"]["name"] == "1.npz"
        assert frames_of(tmp_path / "out" / "in" / "0.npz") == 5
        assert frames_of(tmp_path.joinpath("out", *tmp_path.parts[1:], "in", "1.npz")) == 6
    assert make.lifted() == ["0.npz", "1.npz"]


def test_a_listing_says_where_results_go(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("\ufeffs3://bucket/a%20b/cam.mp4\n\n/data/cam.mp4\r\n./c:am.mp4\n")
    places = {source: str(place) for source, place in listed_sources(path, tmp_path / "out")}
    assert places == {
        "s3://bucket/a%20b/cam.mp4": f"{tmp_path}/out/bucket/a b/cam.mp4",
        "/data/cam.mp4": f"{tmp_path}/out/data/cam.mp4",
        "./c:am.mp4": f"{tmp_path}/out/c_am.mp4",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a.mp4\n../b.mp4\n", "line 2: is '../b.mp4'"),
        (b"s3://bucket/%2e%2e/b.mp4", "without '..'"),
        (b"a.mp4\nb.mp4\n./a.mp4", "lines 1 and 3 name the same source"),
        (b"\n \n", "lists nothing"),
        (b"\xff\xfe", "is no text"),
    ],
    ids=["up", "up-encoded", "twice", "empty", "binary"],
)
def test_a_listing_that_cannot_be_followed(tmp_path, content, message):
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        listed_sources(path, tmp_path / "out")


def test_weights_that_cannot_be_used_are_told_before_ray_starts(settings, tmp_path):
    ray = pytest.importorskip("ray")
    was_running = ray.is_initialized()
    with pytest.raises(SkelgraphError, match=r"missing\.ckpt"):
        list(lift_on_cluster([], replace(settings, weights=str(tmp_path / "missing.ckpt"))))
    assert ray.is_initialized() == was_running
