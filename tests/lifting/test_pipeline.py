"""`skelgraph lift`: from a source to its files, restarts, folders of sources."""

import errno
import json
import os
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from signal import SIGTERM, raise_signal

import av
import numpy as np
import pytest
import torch
from full_disk import fill_disk
from keypoint_writers import coco_results, people

import skelgraph
from skelgraph import DataError, SkelgraphError
from skelgraph.__main__ import main
from skelgraph.datasets import four_views, read_keypoints, read_motion_file, write_keypoints
from skelgraph.datasets.keypoint_files import source
from skelgraph.detection import DETECTORS, register_detector
from skelgraph.files import write_video
from skelgraph.lifting import LiftSettings, OneEuro, Pipeline, lift_file, lift_files, sources_in
from skelgraph.lifting.outputs import stretch_names
from skelgraph.lifting.sources import source_kind
from skelgraph.topology import as_skeleton

SEEN = four_views()["cam02"].detections


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    skelgraph.create_model("martinez", "h36m16", hidden_channels=16).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def keypoints(tmp_path):
    path = tmp_path / "walk.npz"
    write_keypoints(path, replace(SEEN, persons=None))
    return path


def broken(detections, first, last):
    """The same without what was seen in some frames."""
    kept = (detections.frames < first) | (detections.frames > last)
    return replace(
        detections,
        keypoints=detections.keypoints[kept],
        frames=detections.frames[kept],
        persons=detections.persons[kept],
    )


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_every_format_of_motion_holds_the_same_people(weights, tmp_path):
    write_keypoints(tmp_path / "walk.npz", broken(SEEN, 30, 79))
    out = tmp_path / "out"
    gravity = (0.1, 0.9, 0.3)
    settings = LiftSettings.of(weights, format=("npz", "json", "trc", "c3d", "bvh"), gravity=gravity, focal=1673.0)
    record = lift_file(tmp_path / "walk.npz", out, settings)
    names = ["person0", "person0_from_frame80"]
    assert [one["file"] for one in record["people"]] == names
    assert files_in(out) == sorted(["lift.json", *(f"{n}.{f}" for n in names for f in settings.output.format)])
    lifted = Pipeline(settings).lift(broken(SEEN, 30, 79))
    assert stretch_names(lifted) == names
    said = {"trc": (None, "y"), "bvh": ("cm", "y")}  # these two formats do not say it
    for name, positions, count in zip(names, lifted.in_world(gravity), (30, 20), strict=True):
        assert len(positions) == count
        for form in settings.output.format:
            motion = read_motion_file(out / f"{name}.{form}")
            motion = motion.in_world(*said.get(form, (None, None)), form)
            assert motion.frame_rate == pytest.approx(60, rel=1e-3)
            assert motion.first_frame == (None if form == "bvh" else 80 if "frame80" in name else 0)
            if form != "bvh":  # whose bones have one length
                assert np.abs(motion.positions - positions).max() < 1e-4, form
    assert record["focal"] == "given"
    assert record["gravity"] == list(gravity)


def test_what_is_whole_is_left_alone_and_what_is_not_is_made(weights, keypoints, tmp_path):
    out, settings = tmp_path / "out", LiftSettings.of(weights, format=("npz", "html"))
    first = lift_file(keypoints, out, settings)
    times = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert lift_file(keypoints, out, settings) == first
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == times
    (out / "viewer.html").unlink()
    again = lift_file(keypoints, out, settings)
    assert files_in(out) == sorted(["lift.json", "person0.npz", "viewer.html"])
    assert again["people"] == first["people"]


def test_results_of_others_are_not_replaced(weights, keypoints, tmp_path):
    out = tmp_path / "out"
    lift_file(keypoints, out, LiftSettings.of(weights, format=("npz", "trc")))
    (out / "notes.txt").write_text("mine")
    (out / "person_of_interest.npz").write_text("mine too")
    other = LiftSettings.of(weights, format=("npz",), focal=900.0)
    with pytest.raises(SkelgraphError, match="--overwrite"):
        lift_file(keypoints, out, other)
    assert (out / "person0.trc").exists()
    lift_file(keypoints, out, other, overwrite=True)
    assert files_in(out) == ["lift.json", "notes.txt", "person0.npz", "person_of_interest.npz"]
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "person0.npz").write_text("a user's own")
    with pytest.raises(SkelgraphError, match="another folder"):
        lift_file(keypoints, strange, other, overwrite=True)
    assert (strange / "person0.npz").read_text() == "a user's own"
    (strange / "lift.json").write_text('{"format": "something else"}')
    with pytest.raises(SkelgraphError, match=r"lift\.json is not of"):
        lift_file(keypoints, strange, other, overwrite=True)
    with pytest.raises(SkelgraphError, match="no folder"):
        lift_file(keypoints, keypoints, other)


class Replaying:
    """Finds in the n-th frame of a video whom the example shows there; once it is stopped."""

    skeleton = as_skeleton("blazepose33")
    frames = 0
    stops_at = 12

    def __call__(self, frame):
        type(self).frames += 1
        if self.frames == self.stops_at:
            raise KeyboardInterrupt
        self.count += 1
        return SEEN.keypoints[[self.count]] / (8, 8, 1)

    def reset(self):
        self.count = -1


@pytest.fixture
def replaying():
    Replaying.frames, Replaying.stops_at = 0, 12
    register_detector("replaying", help="the example clip")(Replaying)
    yield Replaying
    del DETECTORS["replaying"]


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "a walk.mp4"
    with write_video(path, 30.0) as frames:
        for index in range(20):
            frames.add(np.full((240, 135, 3), 10 * index, np.uint8))
    return path


def test_a_stopped_run_leaves_no_half_file_and_goes_on(weights, video, tmp_path, replaying, monkeypatch):
    out = tmp_path / "out"
    settings = LiftSettings.of(weights, detector="replaying", format=("npz", "html"))
    with pytest.raises(KeyboardInterrupt):  # in the detector
        lift_file(video, out, settings)
    assert files_in(out) == ["lift.json"]
    assert "files" not in json.loads((out / "lift.json").read_text())

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:  # in the midst of the files
        patched.setattr("skelgraph.lifting.outputs.write_motion", stop)
        with pytest.raises(KeyboardInterrupt):
            lift_file(video, out, settings)
    assert files_in(out) == ["keypoints.npz", "lift.json"]
    assert replaying.frames == 12 + 20
    record = lift_file(video, out, settings)
    assert replaying.frames == 12 + 20  # what was found is kept
    assert files_in(out) == ["keypoints.npz", "lift.json", "person0.npz", "viewer.html"]
    assert record["num_frames"] == 20
    assert record["frame_rate"] == pytest.approx(30)
    assert read_keypoints(out / "keypoints.npz").image_size == (136, 240)
    page = (out / "viewer.html").read_text()
    assert page.count("data:image/jpeg") + page.count("/9j/") >= 20  # all pictures of the video
    lift_file(video, out, LiftSettings.of(weights, detector="replaying", format=("npz",)), overwrite=True)
    assert replaying.frames == 12 + 20  # other files of the same keypoints
    assert files_in(out) == ["keypoints.npz", "lift.json", "person0.npz"]


def test_a_video_that_was_cut_off_is_told(weights, tmp_path, replaying):
    replaying.stops_at = -1
    path = tmp_path / "half.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("h264", rate=30)
        stream.width, stream.height, stream.pix_fmt, stream.options = 136, 240, "yuv420p", {"bf": "0"}
        noise = np.random.default_rng(0)
        for _ in range(20):
            frame = noise.integers(256, size=(240, 136, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    settings = LiftSettings.of(weights, detector="replaying", format=("npz",))
    whole = lift_file(path, tmp_path / "whole", settings)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    record = lift_file(path, tmp_path / "half", settings)
    frames = record["num_frames"]
    assert 5 < frames < 15
    assert f"says that it has 20 frames, and has {frames}: it was cut off" in record["warnings"][0]
    assert not any("cut off" in warning for warning in whole["warnings"])


def test_the_end_is_no_failure_of_an_input(weights, video, tmp_path, capsys):
    """Asked for where foreign code makes an error of it."""

    asked = []

    def ended():
        try:
            if not asked:  # the second of them ends the program at once
                asked.append(True)
                raise_signal(SIGTERM)
        except BaseException:
            pass
        raise DataError("no module of this name")

    register_detector("ended", help="nobody")(ended)
    (tmp_path / "clips").mkdir()
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(video, tmp_path / "clips" / name)
    try:
        command = ["lift", "--input", str(tmp_path / "clips"), "--weights", weights, "--detector", "ended"]
        assert main([*command, "--out", str(tmp_path / "out")]) == 143
    finally:
        del DETECTORS["ended"]
    said = capsys.readouterr().err
    assert "stopped; what is finished is kept" in said
    assert "failed" not in said


def test_frames_that_are_not_evenly_spaced_are_told(weights, video, tmp_path, replaying, capsys):
    """Half of them at 30 a second, half at 15; also where the run is stopped after the detector."""
    replaying.stops_at = -1
    uneven = tmp_path / "uneven.mp4"
    with av.open(str(uneven), "w") as container:
        stream = container.add_stream("h264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 136, 240, "yuv420p"
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((240, 136, 3), 10 * index, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index + max(0, index - 10), Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    settings = ["--detector", "replaying", "--weights", weights, "--format", "npz", "--out"]
    assert main(["lift", "--input", str(uneven), *settings, str(tmp_path / "out")]) == 0
    told, *others = json.loads((tmp_path / "out" / "lift.json").read_text())["warnings"]
    assert "not as far apart as its frame rate says: they count as" in told
    assert f"warning: {told}" in capsys.readouterr().out
    (tmp_path / "out" / "person0.npz").unlink()
    assert main(["lift", "--input", str(uneven), *settings, str(tmp_path / "out")]) == 0
    assert replaying.frames == 20
    assert json.loads((tmp_path / "out" / "lift.json").read_text())["warnings"] == [told, *others]
    assert main(["lift", "--input", str(video), *settings, str(tmp_path / "even")]) == 0
    assert json.loads((tmp_path / "even" / "lift.json").read_text())["warnings"] == others


def test_a_killed_process_goes_on(weights, tmp_path):
    """Kill the command at many points; at the end everything is there once, and no half file ever."""
    source = tmp_path / "walk.npz"
    write_keypoints(source, SEEN)
    out = tmp_path / "out"
    script = (
        "import json, os, signal, sys, skelgraph.lifting as l\n"
        "settings = l.LiftSettings.of(sys.argv[3], format=('npz', 'trc', 'html'))\n"
        "replace, seen = os.replace, []\n"
        "for left in (1, 3):\n"
        "    if not (child := os.fork()):\n"
        "        def kill(*a):\n"
        "            global left\n"
        "            left -= 1\n"
        "            if left < 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        "            replace(*a)\n"
        "        os.replace = kill\n"
        "        l.lift_file(sys.argv[1], sys.argv[2], settings)\n"
        "        os._exit(0)\n"
        "    _, status = os.waitpid(child, 0)\n"
        "    seen.append([os.WTERMSIG(status), os.listdir(sys.argv[2])])\n"
        "print(json.dumps(seen))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, source, out, weights], check=True, capture_output=True)
    for signal, names in json.loads(done.stdout):
        assert signal == 9
        whole = {name for name in names if not name.endswith(".tmp")} - {".lock"}
        assert whole <= {"lift.json", "person0.npz", "person0.trc", "viewer.html"}
    for name in whole - {"lift.json", "viewer.html"}:
        assert len(read_motion_file(out / name).positions) == 100
    record = lift_file(source, out, LiftSettings.of(weights, format=("npz", "trc", "html")))
    assert {*record["files"], "lift.json"} == {path.name for path in out.iterdir()}


def test_halves_of_a_killed_process_are_cleared_away(weights, keypoints, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    halves = [f".{name}.{'0a' * 8}.tmp" for name in ("lift.json", "keypoints.npz", "person0.npz", "person-3.trc")]
    others = [".person0.npz.tmp", f".notes.txt.{'0a' * 8}.tmp", f"person0.npz.{'0a' * 8}.tmp"]
    for name in (*halves, *others):
        (out / name).write_text("half")
    lift_file(keypoints, out, LiftSettings.of(weights, format=("npz",)))
    assert files_in(out) == sorted(["lift.json", "person0.npz", *others])


def test_the_source_is_never_removed(weights, keypoints, tmp_path):
    """The keypoints of a video, lifted again in their folder, and names of results as names of sources."""
    settings = LiftSettings.of(weights, format=("npz",))
    for name in ("keypoints.npz", "person7.npz", "animation.mp4"):
        out = tmp_path / name.partition(".")[0]
        lift_file(keypoints, out, settings)
        write_keypoints(out / name, SEEN)  # its name says nothing
        content = (out / name).read_bytes()
        with pytest.raises(SkelgraphError, match="holds the source"):
            lift_file(out / name, out, settings, overwrite=True)
        assert (out / name).read_bytes() == content
    (out / "alias").symlink_to(out / name)
    with pytest.raises(SkelgraphError, match="holds the source"):
        lift_file(out / "alias", out, settings, overwrite=True)
    beside = tmp_path / "beside"
    beside.mkdir()
    keypoints.rename(beside / "walk.npz")
    lift_file(beside / "walk.npz", beside, settings)
    assert files_in(beside) == ["lift.json", "person0.npz", "walk.npz"]


def test_one_process_at_a_time(weights, keypoints, tmp_path):
    out, settings = tmp_path / "out", LiftSettings.of(weights, format=("npz",))
    script = (
        "import sys, time, pathlib\n"
        "from skelgraph.files.holding import holding\n"
        "with holding(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, out], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(SkelgraphError, match="in use"):
            lift_file(keypoints, out, settings)
        assert not (out / "lift.json").exists()
        other.kill()
    lift_file(keypoints, out, settings)
    assert files_in(out) == ["lift.json", "person0.npz"]


def test_weights_that_changed_under_their_name_are_others(keypoints, tmp_path):
    folder, settings = tmp_path / "net", LiftSettings.of(str(tmp_path / "net"), format=("npz",))
    network = skelgraph.create_model("martinez", "h36m16", hidden_channels=16)
    network.save_pretrained(folder)
    before = lift_file(keypoints, tmp_path / "out", settings)
    network.save_pretrained(folder, overwrite=True)  # the same again
    assert lift_file(keypoints, tmp_path / "out", settings) == before
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.5)
    network.save_pretrained(folder, overwrite=True)
    with pytest.raises(SkelgraphError, match="--overwrite"):
        lift_file(keypoints, tmp_path / "out", settings)
    positions = read_motion_file(tmp_path / "out" / "person0.npz").positions
    lift_file(keypoints, tmp_path / "out", settings, overwrite=True)
    assert not np.allclose(read_motion_file(tmp_path / "out" / "person0.npz").positions, positions)


def test_people_may_have_any_number(weights, tmp_path):
    source, out = tmp_path / "walk.npz", tmp_path / "out"
    write_keypoints(source, replace(SEEN, persons=SEEN.persons - 7))
    assert lift_file(source, out, LiftSettings.of(weights, format=("npz", "trc")))["files"][0] == "person-7.npz"
    lift_file(source, out, LiftSettings.of(weights, format=("npz",)), overwrite=True)
    assert files_in(out) == ["lift.json", "person-7.npz"]


def test_a_folder_of_sources(weights, keypoints, video, tmp_path, replaying):
    replaying.stops_at = -1
    folder, out = tmp_path / "clips", tmp_path / "clips" / "lifted"
    (folder / "deep" / "openpose").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    keypoints.rename(folder / "deep" / "walk.npz")
    write_keypoints(folder / ".hidden" / "walk.npz", SEEN)
    (folder / "linked.npz").symlink_to(folder / "deep" / "walk.npz")
    video.rename(folder / "walk.npz.mp4")
    (folder / "readme.txt").write_text("about these clips")
    (folder / "broken.json").write_text('{"people": [')
    for frame in range(5):
        person = {"pose_keypoints_2d": np.pad(SEEN.keypoints[frame, :25], 0).ravel().tolist()}
        (folder / "deep" / "openpose" / f"a_{frame:012d}_keypoints.json").write_text(json.dumps({"people": [person]}))
    out.mkdir()
    (out / "old.json").write_text("[]")
    found = sources_in(folder, out)
    assert [str(source.relative_to(folder)) for source, _ in found] == [
        "broken.json",
        "deep/openpose",
        "deep/walk.npz",
        "walk.npz.mp4",
    ]
    assert [where for _, where in found] == [out / source.relative_to(folder) for source, _ in found]
    settings = LiftSettings.of(
        weights, detector="replaying", format=("npz",), image_size=(1080, 1920), frame_rate=60.0, model="martinez"
    )
    outcomes = {outcome.source.name: outcome for outcome in lift_files(found, settings)}
    assert "broken.json" in outcomes["broken.json"].error
    assert outcomes["openpose"].error is None
    assert outcomes["openpose"].record["num_frames"] == 5
    # their files say what the settings say for others, or refuse it
    assert (outcomes["walk.npz"].error is None) == (SEEN.image_size == (1080, 1920))
    assert outcomes["walk.npz.mp4"].record["frame_rate"] == pytest.approx(30)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no videos"):
        sources_in(tmp_path / "empty", tmp_path)


def test_folders_with_other_things_in_them(weights, keypoints, video, tmp_path, replaying):
    """JSON that is no frame of OpenPose, results of another run, pipes."""
    folder, out = tmp_path / "clips", tmp_path / "out"
    folder.mkdir()
    video.rename(folder / "walk.mp4")
    keypoints.rename(folder / "walk.npz")
    (folder / "camera_1.json").write_text('{"focal": 1000}')
    os.mkfifo(folder / "pipe")
    settings = LiftSettings.of(weights, detector="replaying", format=("npz",))
    replaying.stops_at = -1
    lift_file(folder / "walk.mp4", folder / "earlier", settings)
    lift_file(folder / "walk.npz", folder, settings)  # beside the sources
    (folder / "person0.npz").rename(folder / "animation.mp4")
    assert source_kind(folder) is None
    assert [source.name for source, _ in sources_in(folder, out)] == ["walk.mp4", "walk.npz"]


def test_results_inside_the_folder_of_openpose(weights, tmp_path):
    folder = tmp_path / "openpose"
    folder.mkdir()
    (folder / "a_000000000000_keypoints.json").write_text('{"people": [')  # damaged, and still of OpenPose
    for frame in range(1, 4):
        person = {"pose_keypoints_2d": SEEN.keypoints[frame, :25].ravel().tolist()}
        (folder / f"a_{frame:012d}_keypoints.json").write_text(json.dumps({"people": [person]}))
    assert source_kind(folder) == "keypoints"
    (folder / "a_000000000000_keypoints.json").unlink()
    (folder / "dangling").symlink_to("nothing")
    settings = LiftSettings.of(weights, format=("npz",), image_size=(1080, 1920), frame_rate=60.0)
    first = lift_file(folder, folder / "lifted", settings)
    assert lift_file(folder, folder / "lifted", settings) == first
    with pytest.raises(SkelgraphError, match="holds the source"):
        lift_file(folder, folder, settings)


def test_a_place_that_is_not_known_is_told(weights, tmp_path, capsys):
    """All joints in one pixel: of such a person no place can be told."""
    keypoints = SEEN.keypoints.copy()
    keypoints[:30, :, :2] = keypoints[:30, :1, :2]
    write_keypoints(tmp_path / "walk.npz", replace(SEEN, keypoints=keypoints))
    record = lift_file(tmp_path / "walk.npz", tmp_path / "out", LiftSettings.of(weights, format=("npz",)))
    unknown = np.isnan(read_motion_file(tmp_path / "out" / "person0.npz").positions).any((1, 2))
    assert 20 <= unknown.sum() <= 40
    assert record["people"][0]["frames_without_place"] == unknown.sum()
    arguments = ["--input", str(tmp_path / "walk.npz"), "--weights", weights, "--format", "npz"]
    assert main(["lift", *arguments, "--out", str(tmp_path / "out")]) == 0
    assert f"not known in the first {unknown.sum()} of 100 frames" in capsys.readouterr().out


def test_nothing_is_left_of_a_result_that_cannot_be_written(weights, video, tmp_path, replaying):
    """BVH has no gaps: the other formats are written before it. What the detector found is kept."""
    replaying.stops_at = -1
    keypoints = SEEN.keypoints.copy()
    keypoints[:30, :, :2] = keypoints[:30, :1, :2]
    write_keypoints(tmp_path / "walk.npz", replace(SEEN, keypoints=keypoints))
    settings = LiftSettings.of(weights, format=("npz", "bvh"))
    with pytest.raises(DataError, match="BVH has no gaps"):
        lift_file(tmp_path / "walk.npz", tmp_path / "deep" / "out", settings)
    assert not (tmp_path / "deep").exists()
    whole = lift_file(tmp_path / "walk.npz", tmp_path / "grown", LiftSettings.of(weights, format=("npz",)))
    with pytest.raises(DataError, match="BVH has no gaps"):  # a further format
        lift_file(tmp_path / "walk.npz", tmp_path / "grown", LiftSettings.of(weights, format=("npz", "json", "bvh")))
    assert files_in(tmp_path / "grown") == ["lift.json", "person0.npz"]
    assert json.loads((tmp_path / "grown" / "lift.json").read_text()) == whole
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(replaying, "__call__", lambda self, frame: keypoints[:1] / (8, 8, 1))
        settings = LiftSettings.of(weights, detector="replaying", format=("npz", "bvh"))
        with pytest.raises(DataError, match="BVH has no gaps"):
            lift_file(video, tmp_path / "out", settings)
    assert files_in(tmp_path / "out") == ["keypoints.npz", "lift.json"]
    (tmp_path / "out" / "person0.npz").mkdir()  # the result of a source of this name, it may be
    with pytest.raises(SkelgraphError, match=r"person0\.npz is a folder"):
        lift_file(tmp_path / "walk.npz", tmp_path / "out", LiftSettings.of(weights, format=("npz",)))
    assert "person0.npz" in files_in(tmp_path / "out")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--gravity", "0,0,0"], "gravity is 0, 0, 0"),
        (["--detector-option", "speed=1"], "unknown option of detector 'blazepose': 'speed'"),
        (["--layout", "coco17"], "--layout is of files of keypoints"),
        (["--image-size", "240,136"], "is 136 x 240, but --image-size is (240, 136)"),
        (["--frame-rate", "25"], "has 30 frames per second, but --frame-rate is 25"),
        (["--input", ""], "'' is no name"),
        (["--out", ""], "'' is no name"),
    ],
    ids=lambda value: "=".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_is_told_before_anything_is_written(weights, video, tmp_path, capsys, given, expected):
    out = tmp_path / "out"
    arguments = ["lift", "--input", str(video), "--weights", weights, "--out", str(out), *given]
    assert main(arguments) == 2
    assert expected in capsys.readouterr().err
    assert not out.exists()


def test_nobody_lifted_is_a_failure(weights, tmp_path, capsys):
    """COCO's joints without ears, of which the top of the head is made; and nobody at all."""
    coco = as_skeleton("coco17")
    keypoints = skelgraph.convert_keypoints(SEEN.keypoints, SEEN.skeleton, coco)
    keypoints[:, [coco.index("left_ear"), coco.index("right_ear")]] = 0
    source, out = tmp_path / "walk.npz", tmp_path / "deep" / "out"
    write_keypoints(source, replace(SEEN, keypoints=keypoints, skeleton=coco))
    arguments = ["lift", "--input", str(source), "--weights", weights, "--out", str(out)]
    assert main([*arguments, "--quiet", "--json"]) == 2
    said, error = capsys.readouterr()
    assert json.loads(said)["failed"][0]["source"] == str(source)
    assert f"{source}: nobody could be lifted: person 0 has no head (made of left_ear, right_ear, " in error
    assert not (tmp_path / "deep").exists()  # nothing of it is kept
    out.mkdir(parents=True)
    (out / "notes.txt").write_text("mine")
    assert main(arguments) == 2
    assert (out / "notes.txt").read_text() == "mine"
    write_keypoints(source, replace(SEEN, keypoints=SEEN.keypoints * (1, 1, 1e-3)))
    with pytest.raises(DataError, match=r"walk\.npz: nobody is seen in it with a confidence above 0\.5"):
        lift_file(source, out, LiftSettings.of(weights, min_confidence=0.5))


def test_a_file_of_keypoints_is_parsed_once(weights, tmp_path, monkeypatch):
    path, parsed = tmp_path / "walk.json", []
    path.write_text(json.dumps(coco_results(people(17))))

    def read_json(*given):
        parsed.append(given[0])
        return read(*given)

    read = source.read_json
    monkeypatch.setattr(source, "read_json", read_json)
    said = ["--image-size", "1080,1920", "--frame-rate", "30", "--format", "npz", "--weights", weights]
    assert main(["lift", "--input", str(path), "--out", str(tmp_path / "out"), *said]) == 0
    assert parsed == [path]


def test_what_a_keypoint_file_does_not_say_is_asked_for_at_once(weights, keypoints, tmp_path, capsys):
    write_keypoints(keypoints, replace(SEEN, image_size=None, frame_rate=None))
    arguments = [
        "lift",
        "--input",
        str(keypoints),
        "--weights",
        weights,
        "--format",
        "npz",
        "--out",
        str(tmp_path / "o"),
    ]
    assert main(arguments) == 2
    assert "image_size (--image-size 1920,1080) and frame_rate (--frame-rate 30)" in capsys.readouterr().err
    assert main([*arguments, "--image-size", "1080x1920", "--frame-rate", "60"]) == 0
    assert json.loads((tmp_path / "o" / "lift.json").read_text())["image_size"] == [1080, 1920]


def test_further_formats_are_added(weights, keypoints, tmp_path):
    out = tmp_path / "out"
    lift_file(keypoints, out, LiftSettings.of(weights, format=("npz",)))
    first = (out / "person0.npz").read_bytes()
    record = lift_file(keypoints, out, LiftSettings.of(weights, format=("trc", "npz")))
    assert record["files"] == ["person0.npz", "person0.trc"]
    assert (out / "person0.npz").read_bytes() == first
    stamp = (out / "person0.npz").stat().st_mtime_ns
    lift_file(keypoints, out, LiftSettings.of(weights, format=("npz", "trc")))  # the same, in another order
    assert (out / "person0.npz").stat().st_mtime_ns == stamp
    for other in ({"format": ("trc",)}, {"format": ("npz", "trc", "json"), "focal": 1500.0}):
        with pytest.raises(SkelgraphError, match="--overwrite"):
            lift_file(keypoints, out, LiftSettings.of(weights, **other))
    assert files_in(out) == ["lift.json", "person0.npz", "person0.trc"]


def test_what_means_nothing_to_a_source_makes_no_other_result_of_it(weights, keypoints, video, tmp_path, replaying):
    """A folder of both: what the keypoints lack is said later, and the video is left alone; and every error names its
    file."""
    replaying.stops_at = -1
    write_keypoints(keypoints, replace(SEEN, image_size=None, frame_rate=None))
    out, given = tmp_path / "out", {"detector": "replaying", "format": ("npz",)}
    found = [(video, out / "video"), (keypoints, out / "keypoints")]
    done, failed = lift_files(found, LiftSettings.of(weights, **given))
    assert done.error is None
    assert failed.error.startswith(f"{keypoints}: does not say")
    assert files_in(out) == ["video"]
    later = LiftSettings.of(weights, **given, image_size=(1080, 1920), frame_rate=60.0)
    again, mended = lift_files(found, later)
    assert again.record == done.record
    assert (mended.error, replaying.frames) == (None, 20)
    told = json.loads((out / "keypoints" / "lift.json").read_text())["settings"]["detection"]
    assert "detector" not in told
    assert told["frame_rate"] == 60
    other = LiftSettings.of(weights, **given | {"detector": "blazepose"}, image_size=(1080, 1920), frame_rate=60.0)
    refused, same = lift_files(found, other)
    assert refused.error.startswith(f"{video}: ")
    assert same.record == mended.record


def test_what_the_machine_does_to_one_input_stops_no_other(weights, keypoints, tmp_path, monkeypatch, capsys):
    """A folder that may not be listed, a result that has no place; and a full disk, which stops all."""
    folder, out = tmp_path / "clips", tmp_path / "out"
    for deep in ("a", "locked", "z"):
        (folder / deep).mkdir(parents=True)
        write_keypoints(folder / deep / "walk.npz", SEEN)
    out.mkdir()
    (out / "a").write_text("a file where a folder should be")
    listed = Path.iterdir

    def iterdir(path):
        if path.name == "locked":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    arguments = ["lift", "--input", str(folder), "--weights", weights, "--format", "npz", "--out", str(out)]
    assert main(arguments) == 2
    said, errors = capsys.readouterr()
    assert f"1/3 failed: {folder / 'a' / 'walk.npz'}: {out / 'a' / 'walk.npz'}: Not a directory." in errors
    assert f"2/3 failed: {folder / 'locked'}: cannot be read: Permission denied." in errors
    assert f"3/3 {out / 'z' / 'walk.npz'}: 1 person" in said
    assert main(["--json", "--quiet", *arguments[:2], str(folder / "locked"), *arguments[3:]]) == 2
    assert json.loads(capsys.readouterr().out)["failed"][0]["error"].endswith("cannot be read: Permission denied.")
    fill_disk(monkeypatch, lambda path: path.name.startswith(".person0.npz"))
    found = [(keypoints, tmp_path / "full"), (keypoints, tmp_path / "later")]
    outcomes = lift_files(found, LiftSettings.of(weights, format=("npz",)))
    with pytest.raises(OSError, match="No space left"):
        next(outcomes)
    assert not (tmp_path / "later").exists()


@pytest.mark.parametrize("fault", ["weights", "disk"])
def test_an_end_for_all_is_in_the_json(fault, weights, keypoints, tmp_path, monkeypatch, capsys):
    folder, out = tmp_path / "clips", tmp_path / "out"
    folder.mkdir()
    for name in ("a.npz", "b.npz"):
        shutil.copy(keypoints, folder / name)
    if fault == "disk":
        fill_disk(monkeypatch, lambda path: path.parent.name == "b.npz" and path.name.startswith(".person0"))
    given = weights if fault == "disk" else str(tmp_path / "nothing")
    command = ["lift", "--input", str(folder), "--weights", given, "--format", "npz", "--out", str(out)]
    assert main(["--json", "--quiet", *command]) == 2
    found = json.loads(capsys.readouterr().out)
    assert [Path(one["source"]).name for one in found["lifted"]] == ["a.npz"] * (fault == "disk")
    (failed,) = found["failed"]
    assert failed["source"] == str(folder)
    assert ("No space left" if fault == "disk" else "nothing") in failed["error"]


def test_what_failed_is_begun_anew(weights, tmp_path):
    source, settings = tmp_path / "walk.json", LiftSettings.of(weights, format=("npz",))
    source.write_text('{"people": [')
    with pytest.raises(DataError):
        lift_file(source, tmp_path / "out", settings)
    source.unlink()
    write_keypoints(source, SEEN)  # mended
    assert lift_file(source, tmp_path / "out", settings)["files"] == ["person0.npz"]
    (tmp_path / "out" / "lift.json").write_text('{"format": "skelgraph lift", "settings": "damaged", "files": 3}')
    with pytest.raises(SkelgraphError, match="--overwrite"):
        lift_file(source, tmp_path / "out", settings)
    record = lift_file(source, tmp_path / "out", settings, overwrite=True)
    assert record["files"] == ["person0.npz"]
    for damaged in (5, "detection", [["layout"]], None):
        (tmp_path / "out" / "lift.json").write_text(json.dumps(record | {"unused": damaged, "weights": "of others"}))
        with pytest.raises(SkelgraphError, match="--overwrite"):
            lift_file(source, tmp_path / "out", settings)


def test_a_damaged_record_of_a_whole_result_is_made_anew(weights, keypoints, tmp_path, capsys):
    """Whatever became of what it says; as one of another version would be."""
    out = tmp_path / "out"
    arguments = ["lift", "--input", str(keypoints), "--weights", weights, "--format", "npz", "--out", str(out)]
    assert main(arguments) == 0
    record = json.loads((out / "lift.json").read_text())
    facts = set(record) - {"format", "source", "weights", "settings", "unused", "seconds", "environment"}
    assert {"people", "not_lifted", "files", "warnings", "intrinsics", "gravity_from"} <= facts
    person = record["people"][0]
    damaged = [{key: value for key, value in record.items() if key != name} for name in facts - {"files"}]
    damaged += [record | {name: value} for name in facts for value in ({"a": 1}, [None], [[1]])]
    damaged += [record | {"people": [person | {name: [1]}]} for name in person]
    damaged += [record | {"people": [{key: person[key] for key in person if key != name}]} for name in person]
    for one in damaged:
        (out / "lift.json").write_text(json.dumps(one))
        assert main(arguments) == 0
        again = json.loads((out / "lift.json").read_text())
        assert {name: again[name] for name in facts} == {name: record[name] for name in facts}
    capsys.readouterr()
    for name in facts:  # what may be true is believed
        (out / "lift.json").write_text(json.dumps(record | {name: "\x1b[31m"}))
        assert main(arguments) == 2 * (name == "detector")  # of which nothing is known
        assert "\x1b" not in "".join(capsys.readouterr())


def test_the_command(weights, keypoints, tmp_path, capsys):
    def run(*arguments):
        code = main(["lift", *map(str, arguments)])
        return code, "".join(capsys.readouterr())

    code, told = run("--example", "--weights", weights, "--format", "npz", "--out", tmp_path / "example")
    assert code == 0
    assert "cam04" in told
    assert "mean" in told
    assert files_in(tmp_path / "example") == ["cam01", "cam02", "cam03", "cam04"]
    for given in (["--cluster"], ["--layout", "coco17"], ["--frame-rate", "30"]):
        code, told = run("--example", *given, "--weights", weights, "--out", tmp_path / "other")
        assert code == 2
        assert "--example says" in told
        assert not (tmp_path / "other").exists()
    code, told = run("--input", keypoints, "--weights", weights, "--format", "npz,gltf", "--out", tmp_path / "out")
    assert code == 2
    assert "gltf" in told
    code, told = run("--weights", weights, "--out", tmp_path / "out")
    assert code == 2
    assert "--input" in told
    code, told = run("--input", keypoints, "--weights", weights, "--out", tmp_path / "out", "--workers", "2")
    assert code == 2
    assert "--cluster" in told
    listing = tmp_path / "list.txt"
    listing.write_text(f"{keypoints}\n\n{tmp_path / 'nothing.mp4'}\n")
    code, told = run("--listing", listing, "--weights", weights, "--format", "npz", "--out", tmp_path / "listed")
    assert code == 2
    assert "2/2 failed" in told
    assert "1 of 2 inputs" in told
    assert (tmp_path / "listed" / keypoints.relative_to("/") / "person0.npz").exists()
    again = ["--listing", listing, "--weights", weights, "--format", "npz", "--out", tmp_path / "listed"]
    assert main(["--json", "--quiet", "lift", *map(str, again)]) == 2
    out, err = capsys.readouterr()
    (lifted,), (failed,) = json.loads(out)["lifted"], json.loads(out)["failed"]
    assert (lifted["source"], lifted["record"]["files"]) == (str(keypoints), ["person0.npz"])
    assert failed["source"].endswith("nothing.mp4")
    assert err.splitlines() == [f"2/2 failed: {failed['error']}", "error: 1 of 2 inputs could not be lifted: see above"]


@pytest.mark.parametrize("given", [{}, {"beta": 0.0}, {"min_cutoff": 0.5}])
def test_the_filter_of_the_command_is_that_of_python(weights, given):
    from skelgraph.lifting.settings import LiftingSettings

    assert Pipeline(LiftSettings.of(weights, smoothing=True, **given)).lifter.smoothing == OneEuro(**given)
    told = {member.name: member.metadata.get("absent") for member in fields(LiftingSettings)}
    for name in ("min_cutoff", "beta"):
        assert told[name] == f"{getattr(OneEuro(), name):g}"
    assert Pipeline(LiftSettings.of(weights)).lifter.smoothing is None


def test_settings_are_declared_as_what_takes_them():
    from skelgraph.lifting import settings
    from skelgraph.lifting.normalisation import NORMALISATIONS
    from skelgraph.topology.convert import Rule

    assert set(settings.InputNormalisation.__args__) == set(NORMALISATIONS)
    assert settings.Rule == Rule
    with pytest.raises(SkelgraphError, match="max_gap"):
        LiftSettings.of("w", maxgap=1.0)
    with pytest.raises(SkelgraphError, match="focal"):
        LiftSettings.of("w", focal=-1.0)
    plain = LiftSettings.of("w", skeleton="h36m16", layout=as_skeleton("coco17"), gravity=(0, 1, 0)).to_dict()
    assert json.loads(json.dumps(plain))["detection"]["layout"] == "coco17"
