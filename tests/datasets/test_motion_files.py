"""Motion files, each written here in the layout of real ones: positions worked out by hand, quirks, damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import motion_writers as writers
import numpy as np
import pytest
from motion_writers import Bone, Joint, write_text

from skelgraph.datasets import Motion, read_motion_file
from skelgraph.errors import DataError, TopologyError

R2, R3 = 0.5**0.5, 0.75**0.5


def at(motion: Motion, joint: str, frame: int = 0) -> np.ndarray:
    return motion.positions[frame, motion.joint_names.index(joint)]


# --- BVH

ARM = [
    Joint("Hips", None, (1, 2, 3), "Xposition Yposition Zposition Zrotation Yrotation Xrotation"),
    Joint("Arm", "Hips", (10, 0, 0), "Zrotation Xrotation Yrotation"),
    Joint("Hand", "Arm", (5, 0, 0), "Yrotation", ends=((2, 0, 0), (0, 0, 3))),
]


def bvh(tmp_path: Path, rows: Any, joints: Any = ARM, **options: Any) -> Motion:
    return read_motion_file(write_text(tmp_path / "a.bvh", writers.bvh_text(joints, np.array(rows), **options)))


def test_bvh_by_hand(tmp_path: Path) -> None:
    motion = bvh(
        tmp_path,
        [
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [7, 8, 9, 90, 0, 0, 0, 0, 0, 0],  # x becomes y everywhere
            [0, 0, 0, 0, 0, 0, 90, 90, 0, 0],  # of the arm Rz Rx: x becomes y, and z becomes x (Rx Rz: x becomes z)
            [0, 0, 0, 0, 90, 0, 0, 0, 0, 90],  # of the hips x becomes -z, of the hand a quarter turn more
        ],
    )
    assert motion.joint_names == ("Hips", "Arm", "Hand", "Hand_end", "Hand_end2")
    assert motion.parents == (-1, 0, 1, 2, 2)
    assert motion.frame_rate == pytest.approx(30, rel=1e-4)
    assert (motion.unit, motion.up) == (None, None)
    expected = [
        [(0, 0, 0), (10, 0, 0), (15, 0, 0), (17, 0, 0), (15, 0, 3)],
        [(7, 8, 9), (7, 18, 9), (7, 23, 9), (7, 25, 9), (7, 23, 12)],
        [(0, 0, 0), (10, 0, 0), (10, 5, 0), (10, 7, 0), (13, 5, 0)],
        [(0, 0, 0), (0, 0, -10), (0, 0, -15), (-2, 0, -15), (0, 0, -18)],
    ]
    np.testing.assert_allclose(motion.positions, expected, atol=1e-9)


def test_bvh_orders_of_channels(tmp_path: Path) -> None:
    """Positions behind rotations, in another order, of one axis alone, and of a joint that is no root."""
    joints = [
        Joint("Hips", None, (1, 2, 3), "Xrotation Zposition Xposition"),
        Joint("Arm", "Hips", (10, 0, 0), "Yposition Zrotation"),
        Joint("Hand", "Arm", (5, 0, 0), "Xrotation Yrotation Zrotation", ends=((1, 0, 0),)),
        Joint("Rod", "Hips", (0, 0, 4), "", ends=((0, 1, 0),)),
    ]
    motion = bvh(tmp_path, [[90, 30, 10, 7, 90, 90, 0, 90]], joints)
    expected = {
        "Hips": (10, 2, 30),  # Y is that of OFFSET
        "Arm": (20, 2, 37),  # OFFSET (10, 7, 0), y becomes z
        "Hand": (20, 2, 42),  # (0, 5, 0) in the hips
        # Rx Rz of the hand turns (1, 0, 0) to (0, 0, 1), the arm leaves z, the hips make it -y
        "Hand_end": (20, 1, 42),
        "Rod": (10, -2, 30),
        "Rod_end": (10, -2, 31),
    }
    for joint, place in expected.items():
        np.testing.assert_allclose(at(motion, joint), place, atol=1e-9, err_msg=joint)


def test_bvh_quirks(tmp_path: Path) -> None:
    rows = writers.bvh_motion(ARM, 3, 0)
    plain = bvh(tmp_path, rows)
    text = writers.bvh_text(ARM, rows, ".0083333")
    changed = text.replace("\n", "  \r\n").replace("\t", "  ").replace("Frames: 3", "\r\nFrames:\t3").upper()
    changed = (
        changed.replace("ARM", "Left Arm").replace("HIPS", "Hips").replace("HAND", "Hand").replace("\r\n  {", " {")
    )
    motion = read_motion_file(write_text(tmp_path / "b.BVH", "\ufeff" + changed + "\r\n\r\n"))
    np.testing.assert_array_equal(motion.positions, plain.positions)
    assert motion.joint_names == ("Hips", "Left Arm", "Hand", "Hand_end", "Hand_end2")
    assert motion.frame_rate == pytest.approx(120, rel=1e-4)


def test_names_of_one_prefix(tmp_path: Path) -> None:
    joints = [
        joint._replace(name=f"mixamorig:{joint.name}", parent=joint.parent and f"mixamorig:{joint.parent}")
        for joint in ARM
    ]
    assert bvh(tmp_path, np.zeros((1, 10)), joints).joint_names == ("Hips", "Arm", "Hand", "Hand_end", "Hand_end2")
    joints[0] = joints[0]._replace(name="other:Hips")
    joints[1] = joints[1]._replace(parent="other:Hips")
    assert bvh(tmp_path, np.zeros((1, 10)), joints).joint_names[:2] == ("other:Hips", "mixamorig:Arm")


GOOD = writers.bvh_text(ARM, np.zeros((2, 10)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ROOT Hips", "ROOT Hips\n{\nOFFSET 0 0 0\nCHANNELS 0\n}\nROOT Hips", r"line 7: a second root, 'Hips'"),
        ("JOINT Hand\n", "", r"line \d+: found .*\{.* the braces do not match"),
        ("End Site", "JOINT Tip", "line 14: 'Tip' has no CHANNELS"),
        ("}\nMOTION", "MOTION", r"found 'MOTION', which does not belong here"),
        ("OFFSET 10.0", "OFFSET nan ", r"line 8: found 'nan.*expected 3 finite numbers"),
        ("OFFSET 10.000000", "OFFSET", r"line 8: found '0.000000 0.000000', expected 3 finite numbers"),
        ("CHANNELS 1 Y", "CHANNELS 2 Y", "line 13: found CHANNELS '2 Yrotation', expected their number"),
        ("Yrotation \n", "Wrotation \n", "Wrotation"),
        ("Frames: 2", "Frames: 3", "says that it has 3 frames, and holds 2; is it a part of a file"),
        ("Frames: 2", "Frames: 1", "says that it has 1 frames, and holds 2"),
        ("Frames: 2", "Frames: 999999999999", "says that it has 999999999999 frames"),
        ("Frame Time: 0.033333", "Frame Time: 0", r"the frame time is 0 s"),
        ("Frame Time: 0.033333\n", "", "expected 'Frames: ' and 'Frame Time: '"),
        ("0.000000 \n", "\n", "found 9 numbers in a frame|are no table of numbers"),
        ("0.000000 \n", "x \n", "are no table of numbers"),
        ("0.000000 \n", "1e999 \n", r"line 28: a number of frame 0 is not finite"),
        ("MOTION", "", "ends within the hierarchy|does not belong"),
    ],
)
def test_bad_bvh(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    path = write_text(tmp_path / "bad.bvh", GOOD.replace(old, new))
    with pytest.raises(DataError, match=message) as error:
        read_motion_file(path)
    assert "bad.bvh" in str(error.value)


def test_a_small_file_cannot_ask_for_much_memory(tmp_path: Path) -> None:
    joints = [Joint("a", None, (0, 0, 0), "Xrotation"), *(Joint(f"b{i}", "a", (0, 0, 0), "") for i in range(3000))]
    with pytest.raises(DataError, match=r"says that 3001 joints move for 20000 frames, too many for a file of"):
        bvh(tmp_path, np.zeros((20000, 1)), joints)


# --- ASF/AMC

LIMB = [
    Bone("thigh", "root", (0, -1, 0), 9.0, (0, 0, 90), "rx ry rz"),
    Bone("shank", "thigh", (0, -1, 0), 4.5, (0, 0, 0), "rx"),
    Bone("ear", "root", (1, 0, 0), 0.45),
]


def acclaim(tmp_path: Path, frames: Any, bones: Any = LIMB, **options: Any) -> Motion:
    write_text(tmp_path / "07.asf", writers.asf_text(bones, **options))
    return read_motion_file(write_text(tmp_path / "07_01.amc", writers.amc_text(frames)))


def test_acclaim_by_hand(tmp_path: Path) -> None:
    still = {"root": [0.45, 0.9, 0, 0, 0, 0], "thigh": [0, 0, 0], "shank": [0]}
    motion = acclaim(
        tmp_path,
        [
            still,
            still | {"thigh": [90, 0, 0]},  # about the bone's own x, which is the y of the world: nothing moves
            still | {"thigh": [0, 90, 0]},  # about its y, the world's -x: -y becomes z
            still | {"thigh": [0, 90, 90]},  # first that, then about z: nothing more
            still | {"thigh": [0, 90, 0], "shank": [90]},  # about the shank's x, the world's: -y becomes -z first
            still | {"root": [0.45, 0.9, 0, 0, 0, 90]},  # all about z
            still | {"root": [0.45, 0.9, 0, 90, 0, 90]},  # about x first: -y becomes -z
        ],
    )
    assert motion.joint_names == ("root", "thigh", "ear", "shank")
    assert motion.parents == (-1, 0, 0, 1)
    assert (motion.unit, motion.up, motion.frame_rate) == (None, None, None)
    expected = [  # divided by 0.45
        [(1, 2, 0), (1, -18, 0), (2, 2, 0), (1, -28, 0)],
        [(1, 2, 0), (1, -18, 0), (2, 2, 0), (1, -28, 0)],
        [(1, 2, 0), (1, 2, 20), (2, 2, 0), (1, 2, 30)],
        [(1, 2, 0), (1, 2, 20), (2, 2, 0), (1, 2, 30)],
        [(1, 2, 0), (1, 2, 20), (2, 2, 0), (1, -8, 20)],
        [(1, 2, 0), (21, 2, 0), (1, 3, 0), (31, 2, 0)],
        [(1, 2, 0), (1, 2, -20), (1, 3, 0), (1, 2, -30)],
    ]
    np.testing.assert_allclose(motion.positions, expected, atol=1e-9)


def test_acclaim_in_radians_and_other_orders(tmp_path: Path) -> None:
    """Radians in one file and degrees in the other; motion in the order of `dof`, of the root in that of `order`."""
    bones = [LIMB[0]._replace(axis=(0, 0, np.pi / 2), dof="rz ry rx"), LIMB[2]]
    frame = {"root": [0, 0, 90, 0.45, 0.9, 0], "thigh": [90, 90, 0]}
    text = writers.asf_text(bones, angle="rad").replace("order TX TY TZ RX RY RZ", "order RX RY RZ TX TY TZ")
    write_text(tmp_path / "a.asf", text)
    motion = read_motion_file(write_text(tmp_path / "b.amc", writers.amc_text([frame])))
    # thigh: C turns -y to -x (its own axes); about z first: to -y; about y: -y. C back: x. The root then makes it y.
    np.testing.assert_allclose(at(motion, "thigh"), (1, 22, 0), atol=1e-9)
    turned = writers.amc_text(
        [frame | {"root": [0, 0, np.pi / 2, 0.45, 0.9, 0], "thigh": [np.pi / 2, np.pi / 2, 0]}], "RADIANS"
    )
    again = read_motion_file(write_text(tmp_path / "c.amc", turned))
    np.testing.assert_allclose(again.positions, motion.positions, atol=1e-6)


def test_the_skeleton_of_an_amc_file(tmp_path: Path) -> None:
    frames = [{"root": [0.0] * 6, "thigh": [0.0] * 3, "shank": [0.0]}]
    one = acclaim(tmp_path, frames)
    longer = [LIMB[0]._replace(length=18.0), *LIMB[1:]]
    write_text(tmp_path / "0.asf", writers.asf_text(longer))
    write_text(tmp_path / "08.ASF", writers.asf_text(longer))
    np.testing.assert_array_equal(read_motion_file(tmp_path / "07_01.amc").positions, one.positions)
    assert at(read_motion_file(write_text(tmp_path / "08.amc", writers.amc_text(frames))), "thigh")[1] == -40
    with pytest.raises(DataError, match=r"its skeleton is not known: expected one ASF file.*0.asf, 07.asf, 08.ASF"):
        read_motion_file(write_text(tmp_path / "walk.amc", writers.amc_text(frames)))
    with pytest.raises(DataError, match="is the skeleton of AMC files"):
        read_motion_file(tmp_path / "07.asf")


def test_trimmed_acclaim_files_begin_later(tmp_path: Path) -> None:
    frames = writers.amc_motion(LIMB, 4, 0)
    whole = acclaim(tmp_path, frames)
    cut = read_motion_file(write_text(tmp_path / "cut.amc", writers.amc_text(frames[2:], first=3)))
    np.testing.assert_array_equal(cut.positions, whole.positions[2:])


AMC = writers.amc_text(writers.amc_motion(LIMB, 3, 0))
ASF = writers.asf_text(LIMB)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("a.amc", "shank", "elbow", r"a\.amc: line 7: found 'elbow', expected the number of a frame or"),
        ("a.amc", "\r\n2\r\n", "\r\n3\r\n", "found frame 3, expected 2"),
        ("a.amc", "\r\n2\r\n", "\r\n", "line 8: found 'root'"),
        ("a.amc", "thigh", "ear", "found 'ear'"),
        ("a.amc", ":DEGREES", ":DEGREES\r\n1\r\n2", "the frame before has no motion of bone 'root'"),
        ("a.asf", "name shank", "name thigh", r"a\.asf: line \d+: the bone 'thigh' is there twice"),
        ("a.asf", "length 4.5", "lenght 4.5", "the bone 'shank' is there twice, or lacks its direction or length"),
        ("a.asf", "thigh shank", "thigh foot", "'thigh' 'foot': no such bone"),
        ("a.asf", "thigh shank", "shank thigh", "'shank' 'thigh': no such bone, or a bone twice"),
        ("a.asf", "    thigh shank", "", "the bone 'shank' hangs on no other"),
        ("a.asf", "dof rx ry rz", "dof rx ry l", "found the motion 'rx ry l', expected each once of rx ry rz"),
        ("a.asf", "dof rx ry rz", "dof rx ry ry", "found the motion 'rx ry ry'"),
        ("a.asf", "axis XYZ", "axis XYX", "the order of the axes is 'XYX'"),
        ("a.asf", "length 0.45\r", "length 0\r", "the length of the units is 0"),
        ("a.asf", "  end\r\n:hierarchy", ":hierarchy", "the bone 'ear' has no end"),
        ("a.asf", "axis 0 0 90  XYZ", "axis 0 0 90", "'axis' has too few words"),
        ("a.asf", "direction 0 -1 0", "direction 0 -1 inf", "expected 3 finite numbers"),
    ],
)
def test_bad_acclaim(tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    texts = {"a.amc": AMC, "a.asf": ASF}
    assert old in texts[file]
    texts[file] = texts[file].replace(old, new, 1)
    for name, text in texts.items():
        write_text(tmp_path / name, text)
    with pytest.raises(DataError, match=message):
        read_motion_file(tmp_path / "a.amc")


def test_a_part_of_an_amc_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a.asf", ASF)
    write_text(tmp_path / "a.amc", AMC[: AMC.rindex("shank")])
    with pytest.raises(DataError, match="has no motion of bone 'shank'; is this a part of a file"):
        read_motion_file(tmp_path / "a.amc")
    for name, text in {"a.asf": ASF.replace("  angle deg\r\n", ""), "a.amc": AMC.replace(":DEGREES\r\n", "")}.items():
        write_text(tmp_path / name, text)
    with pytest.raises(DataError, match="says whether angles are degrees"):
        read_motion_file(tmp_path / "a.amc")


# --- TRC

MARKERS = ("Hip", "RHip", "Head Top")


def markers(frames: int = 6) -> np.ndarray:
    positions = np.random.default_rng(0).normal(scale=400, size=(frames, len(MARKERS), 3)).round(5)
    positions[1, 2] = positions[3, 0] = positions[5, 2] = np.nan
    return positions


@pytest.mark.parametrize(("units", "metres"), [("mm", 0.001), ("m", 1.0), ("cm", 0.01), ("in", 0.0254)])
def test_trc(tmp_path: Path, units: str, metres: float) -> None:
    motion = read_motion_file(write_text(tmp_path / "a.trc", writers.trc_text(MARKERS, markers(), 59.94, units)))
    np.testing.assert_allclose(motion.positions, markers(), atol=1e-9)
    assert (motion.joint_names, motion.frame_rate, motion.unit, motion.up) == (MARKERS, 59.94, metres, None)
    assert motion.visible.sum() == 15
    with pytest.raises(DataError, match="these are markers without bones"):
        motion.skeleton()


def test_trc_quirks(tmp_path: Path) -> None:
    """No blank line, gaps written as NaN, no tabs at the ends of lines (so that a gap at the end is cut), CR LF."""
    text = writers.trc_text(MARKERS, markers(), end="\r\n").replace("\r\n\r\n", "\r\n")
    lines = [line.rstrip("\t") for line in text.split("\r\n")]
    lines[6] = lines[6] + "\tNaN\tnan\t-nan"
    motion = read_motion_file(write_text(tmp_path / "a.trc", "\r\n".join(lines)))
    np.testing.assert_allclose(motion.positions, markers(), atol=1e-9)


TRC = writers.trc_text(MARKERS, markers())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\tmm\t", "\tfurlong\t", r"unit of length is 'furlong', expected m, cm, mm, inch"),
        ("\tmm\t", "\tdegrees\t", "unit of length is 'degrees'"),
        ("Head Top", "", "says NumMarkers '3', and has 2"),
        ("\t6\t3\t", "\t7\t3\t", "says NumFrames '7', and has 6; is it a part of a file"),
        ("60\t60", "0\t60", "the data rate is 0"),
        ("DataRate\tC", "DateRate\tC", "expected 1 finite numbers"),
        ("\t0.000\t", "\t0.000\tx", "line 7: found .*expected finite numbers"),
        ("\t0.000\t", "\t0.000\t1\t", "line 7: found 10 numbers, expected 3 for each of 3 markers"),
        ("\t0.000\t", "\t0.000\tinf\t", "line 7"),
    ],
)
def test_bad_trc(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TRC
    with pytest.raises(DataError, match=message):
        read_motion_file(write_text(tmp_path / "a.trc", TRC.replace(old, new, 1)))


# --- C3D


def c3d(tmp_path: Path, content: bytes) -> Motion:
    path = tmp_path / "a.c3d"
    path.write_bytes(content)
    return read_motion_file(path)


@pytest.mark.parametrize("processor", [84, 85, 86])
@pytest.mark.parametrize("scale", [-0.1, 0.05])
@pytest.mark.parametrize("analog", [0, 6])
def test_c3d(tmp_path: Path, processor: int, scale: float, analog: int) -> None:
    content = writers.c3d_bytes(
        MARKERS, markers(), 119.88, processor=processor, scale=scale, analog=analog, up="+Z" if analog else None
    )
    motion = c3d(tmp_path, content)
    np.testing.assert_allclose(motion.positions, markers(), atol=1e-4 if scale < 0 else scale / 2 + 1e-9)
    assert motion.frame_rate == pytest.approx(119.88)
    assert (motion.joint_names, motion.unit, motion.up) == (MARKERS, 0.001, "z" if analog else None)


def test_c3d_markers_with_names(tmp_path: Path) -> None:
    names = ["P:LASI", "*12", "", "P:RASI", *(f"P:m{i}" for i in range(300))]  # more than 255: LABELS2
    positions = np.random.default_rng(1).normal(size=(2, 304, 3))
    motion = c3d(tmp_path, writers.c3d_bytes(names, positions, units="", up="+Y"))
    assert motion.joint_names[:3] == ("LASI", "RASI", "m0")
    assert motion.joint_names[-1] == "m299"
    np.testing.assert_allclose(motion.positions, np.delete(positions, [1, 2], 1), atol=1e-6)
    assert (motion.unit, motion.up) == (None, "y")
    with pytest.raises(DataError, match="none of its 2 markers has a name"):
        c3d(tmp_path, writers.c3d_bytes(["", "*1"], positions[:, :2]))


def test_long_c3d_recordings(tmp_path: Path) -> None:
    positions = np.zeros((70000, 1, 3)) + np.arange(70000)[:, None, None]
    ends = {("TRIAL", "ACTUAL_START_FIELD"): ("i", [1, 0]), ("TRIAL", "ACTUAL_END_FIELD"): ("i", [70000 - 65536, 1])}
    motion = c3d(tmp_path, writers.c3d_bytes(["a"], positions, more=ends))
    assert motion.positions.shape == (70000, 1, 3)
    assert motion.positions[-1, 0, 0] == 69999


def test_another_program_writes_the_same_c3d(tmp_path: Path) -> None:
    ezc3d = pytest.importorskip("ezc3d")
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [50.0]
    file["parameters"]["POINT"]["LABELS"]["value"] = MARKERS
    file["parameters"]["POINT"]["UNITS"]["value"] = ("m",)
    file["data"]["points"] = np.concatenate([markers().transpose(2, 1, 0), np.ones((1, 3, 6))])
    file.write(str(tmp_path / "a.c3d"))
    motion = read_motion_file(tmp_path / "a.c3d")
    np.testing.assert_allclose(motion.positions, markers(), atol=1e-4)
    assert (motion.joint_names, motion.frame_rate, motion.unit) == (MARKERS, 50.0, 1.0)
    (tmp_path / "b.c3d").write_bytes(writers.c3d_bytes(MARKERS, markers()))  # and reads what the tests write
    points = ezc3d.c3d(str(tmp_path / "b.c3d"))["data"]["points"]
    np.testing.assert_allclose(points[:3].transpose(2, 1, 0), markers(), atol=1e-4)


C3D = writers.c3d_bytes(MARKERS, markers())


def changed(at: int, new: bytes) -> bytes:
    return C3D[:at] + new + C3D[at + len(new) :]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (C3D[:700], "is damaged or no C3D file"),
        (C3D[: C3D.rindex(b"M") - 200], "it ends before its 6 frames do|is damaged"),
        (changed(0, b"\xff"), "it ends before its parameters"),
        (changed(515, b"\x07"), "its numbers are those of processor 7"),
        (changed(2, b"\xff\xff"), "too many for a file of|it ends before its"),
        (changed(8, b"\x00\x00"), "0 frames|-0 frames|frames"),
        (changed(12, b"\x00\x00\xc0\x7f"), "the scale nan"),
        (changed(16, b"\x00\x00"), "it ends before its 6 frames do"),
        (changed(20, bytes(4)), "the rate 0"),
        (C3D.replace(b"mm", b"xx"), "unit of length is 'xx'"),
        (writers.c3d_bytes(MARKERS, markers(), up="-Y"), "says that '-Y' points up"),
    ],
)
def test_bad_c3d(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        c3d(tmp_path, content)


# --- AMASS


@pytest.fixture
def amass(tmp_path: Path) -> Callable[..., Motion]:
    def read(arrays: dict[str, Any] | None = None, name: str = "SMPLH_FEMALE.npz", **model: Any) -> Motion:
        folder = tmp_path / "models"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        np.savez(folder / name, **writers.smplh_model(**model))
        np.savez(tmp_path / "a_poses.npz", **(writers.amass_arrays(9, 0) if arrays is None else arrays))
        return read_motion_file(tmp_path / "a_poses.npz", smpl=folder)

    return read


def test_amass_at_rest_and_turned(amass: Callable[..., Motion]) -> None:
    """Joints are those of the shaped template; a joint moves what is beyond it, and the root turns about itself."""
    model, arrays = writers.smplh_model(), writers.amass_arrays(3, 0)
    arrays["poses"] = np.zeros((3, 156))
    arrays["poses"][1, 3 * 18 + 2] = np.pi / 2  # the left elbow about z
    arrays["poses"][2, 1] = np.pi  # the root about y
    motion = amass(arrays)
    rest = model["J_regressor"] @ (model["v_template"] + model["shapedirs"] @ arrays["betas"])
    assert motion.joint_names[:2] == ("pelvis", "left_hip")
    assert motion.joint_names[-1] == "right_thumb3"
    assert (motion.unit, motion.up, motion.frame_rate) == (1.0, "z", 120.0)
    np.testing.assert_allclose(motion.positions[0], rest + arrays["trans"][0], atol=1e-12)

    elbow, arm = rest[18], [20, *range(22, 37)]
    assert [motion.joint_names[i] for i in arm[:2]] == ["left_wrist", "left_index1"]
    x, y, z = (rest[arm] - elbow).T
    expected = rest.copy()
    expected[arm] = elbow + np.stack([-y, x, z], 1)
    np.testing.assert_allclose(motion.positions[1], expected + arrays["trans"][1], atol=1e-12)

    x, y, z = (rest - rest[0]).T
    expected = rest[0] + np.stack([-x, y, -z], 1) + arrays["trans"][2]
    np.testing.assert_allclose(motion.positions[2], expected, atol=1e-12)


def test_amass_against_smplx(amass: Callable[..., Motion], tmp_path: Path) -> None:
    lbs = pytest.importorskip("smplx.lbs")
    import torch

    model, arrays = writers.smplh_model(), writers.amass_arrays(9, 3)
    parents = torch.tensor(model["kintree_table"][0].astype(np.int64))
    tensors = {key: torch.tensor(model[key]) for key in ("v_template", "shapedirs", "J_regressor")}
    _, joints = lbs.lbs(
        torch.tensor(arrays["betas"])[None].repeat(9, 1),
        torch.tensor(arrays["poses"]),
        **tensors,
        posedirs=torch.tensor(model["posedirs"].reshape(600, -1).T),
        parents=torch.cat([torch.tensor([-1]), parents[1:]]),
        lbs_weights=torch.tensor(model["weights"]),
    )
    expected = joints.numpy() + arrays["trans"][:, None]
    np.testing.assert_allclose(amass(arrays).positions, expected, atol=1e-6)  # it adds 1e-8 to axes


def test_the_top_of_the_head_is_a_vertex(amass: Callable[..., Motion]) -> None:
    model, arrays = writers.smplh_model(num_vertices=6890), writers.amass_arrays(2, 0)
    arrays["poses"] = np.zeros((2, 156))
    arrays["poses"][1, 45] = np.pi  # the head about x
    motion = amass(arrays, num_vertices=6890)
    shaped = model["v_template"] + model["shapedirs"] @ arrays["betas"]
    head = model["J_regressor"][15] @ shaped
    np.testing.assert_allclose(at(motion, "head_top"), shaped[411] + arrays["trans"][0], atol=1e-12)
    turned = head + (shaped[411] - head) * [1, -1, -1] + arrays["trans"][1]
    np.testing.assert_allclose(at(motion, "head_top", 1), turned, atol=1e-12)


@pytest.mark.parametrize("gender", ["male", b"male", np.array([b"male"])])
@pytest.mark.parametrize("name", ["smplh/male/model.npz", "SMPLH_male.npz", "smplh/SMPLH_MALE.npz"])
def test_body_models_are_found_by_their_names(
    amass: Callable[..., Motion], tmp_path: Path, gender: Any, name: str
) -> None:
    for other in ("smplx/male/model.npz", "smplh/female/model.npz", "SMPL_MALE.npz"):
        path = tmp_path / "models" / other
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, x=1)
    assert amass(writers.amass_arrays(3, 0, gender=gender), name).positions.shape == (3, 52, 3)


def test_smplx_has_a_face(amass: Callable[..., Motion]) -> None:
    arrays = writers.amass_arrays(3, 0, joints=55)
    arrays["mocap_frame_rate"] = arrays.pop("mocap_framerate")
    motion = amass(arrays, "SMPLX_FEMALE.npz", joints=55, num_shapes=300)
    assert motion.joint_names[21:26] == ("right_wrist", "jaw", "left_eye", "right_eye", "left_index1")
    assert motion.frame_rate == 120


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"poses": np.zeros((9, 155))}, r"found poses \(9, 155\), trans \(9, 3\), betas \(16,\); expected"),
        ({"poses": np.zeros((9, 72))}, "expected one file of the female smpl model"),
        ({"trans": np.zeros((8, 3))}, r"trans \(8, 3\)"),
        ({"poses": np.full((9, 156), np.nan)}, "poses is .*expected finite numbers"),
        ({"betas": np.array(["x"])}, "betas is .*expected finite numbers"),
        ({"gender": np.array("other")}, "gender is .*expected 'female', 'male' or 'neutral'"),
        ({"mocap_framerate": np.array(0.0)}, "expected frames per second"),
        ({"mocap_framerate": None}, "mocap_framerate is"),
        ({"betas": np.ones(20)}, "52 joints and 20 shape coefficients, but .* has 52 and 16"),
        ({"poses": None}, r"a_poses\.npz: has no member 'poses'"),
    ],
)
def test_bad_amass(amass: Callable[..., Motion], change: dict[str, Any], message: str) -> None:
    arrays = {key: value for key, value in (writers.amass_arrays(9, 0) | change).items() if value is not None}
    with pytest.raises(DataError, match=message):
        amass(arrays)


def test_amass_needs_its_body_model(amass: Callable[..., Motion], tmp_path: Path) -> None:
    amass()
    with pytest.raises(DataError, match=r"expected smpl \(--smpl\), the folder of the smplh model files"):
        read_motion_file(tmp_path / "a_poses.npz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"expected one file of the female smplh model.*there is: none"):
        read_motion_file(tmp_path / "a_poses.npz", smpl=tmp_path / "empty")
    fewer = amass(writers.amass_arrays(9, 0) | {"betas": np.array([1.0, 2.0, 0, 0])}, num_shapes=2)
    assert fewer.positions.shape == (9, 52, 3)  # coefficients that are 0 need no component


# --- all of them


@pytest.mark.parametrize("content", [b"", b"\0", b"hello\n", b"HIERARCH", b"\x02\x51", bytes(10_000)])
def test_other_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.bvh").write_bytes(content)
    with pytest.raises(
        DataError,
        match=r"a\.bvh: begins like no motion file that can be read: BVH, ASF/AMC, npz, AMASS, C3D, TRC, JSON",
    ):
        read_motion_file(tmp_path / "a.bvh")
    with pytest.raises(DataError, match="there is no such file"):
        read_motion_file(tmp_path / "b.bvh")


def motion(**changes: Any) -> Motion:
    fields = {"positions": np.array([[[1.0, 2.0, 3.0]]]), "joint_names": ("a",), "frame_rate": 10.0}
    return Motion(**fields | changes)


@pytest.mark.parametrize(
    ("own", "asked", "expected"),
    [
        ({}, ("m", "z"), (1, 2, 3)),
        ({}, ("cm", "y"), (0.01, -0.03, 0.02)),
        ({}, ("mm", "y"), (0.001, -0.003, 0.002)),
        ({}, (0.0254 / 0.45, "z"), (0.0254 / 0.45, 0.0508 / 0.45, 0.0762 / 0.45)),
        ({}, ("inch", "z"), (0.0254, 0.0508, 0.0762)),
        ({"unit": 0.001}, (None, "z"), (0.001, 0.002, 0.003)),
        ({"unit": 0.001, "up": "y"}, ("mm", "y"), (0.001, -0.003, 0.002)),
    ],
)
def test_units_and_axes(own: dict[str, Any], asked: tuple[Any, Any], expected: tuple[float, ...]) -> None:
    world = motion(**own).in_world(*asked, "a.bvh")
    np.testing.assert_allclose(world.positions[0, 0], expected)
    assert (world.unit, world.up) == (1.0, "z")


@pytest.mark.parametrize(
    ("own", "asked", "message"),
    [
        ({}, (None, "y"), r"a\.bvh: does not say its unit of length; expected unit \(--unit\): m, cm, mm, inch"),
        ({}, ("cm", None), r"a\.bvh: does not say which axis points up; expected up \(--up\): y or z"),
        ({"unit": 0.001}, ("m", "y"), "says that its unit is 0.001 m, but unit is 'm'"),
        ({"up": "z"}, ("m", "y"), "says that z points up, but up is 'y'"),
    ],
)
def test_nothing_is_guessed(own: dict[str, Any], asked: tuple[Any, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        motion(**own).in_world(*asked, "a.bvh")


def test_frame_rates() -> None:
    positions = (np.arange(13.0) ** 2)[:, None, None] * [1.0, 1.0, 0.0]
    positions[7] = np.nan
    fast = motion(positions=positions, frame_rate=120.005)  # of a frame time of 0.008333 s
    np.testing.assert_array_equal(fast.at_rate(None, "a").positions, positions)
    np.testing.assert_array_equal(fast.at_rate(120, "a").positions, positions)
    np.testing.assert_array_equal(fast.at_rate(40, "a").positions, positions[::3])
    assert fast.at_rate(40, "a").frame_rate == 40
    between = (
        motion(positions=positions, frame_rate=120).at_rate(50, "a").positions[:, 0, 0]
    )  # at 0, 2.4, 4.8, 7.2, ...
    np.testing.assert_allclose(between, [0, 4 + 0.4 * 5, 16 + 0.8 * 9, np.nan, 81 + 0.6 * 19, 144])
    np.testing.assert_allclose(motion(positions=positions[:2]).at_rate(20, "a").positions[:, 0, 0], [0, 0.5, 1])
    slow = motion(positions=positions, frame_rate=30.0003).at_rate(60, "a")  # of a frame time of 0.033333 s
    np.testing.assert_array_equal(slow.positions[::2], positions)
    assert motion(frame_rate=None).at_rate(25, "a").frame_rate == 25
    with pytest.raises(DataError, match="a: does not say its frame rate; expected frame_rate"):
        motion(frame_rate=None).at_rate(None, "a")
    with pytest.raises(DataError, match="too few for frame_rate 1e"):
        fast.at_rate(1e12, "a")


def test_the_skeleton_of_a_file(tmp_path: Path) -> None:
    own = bvh(tmp_path, np.zeros((1, 10))).skeleton("arm")
    assert (own.name, own.num_joints, own.parents) == ("arm", 5, (-1, 0, 1, 2, 2))
    assert not own.symmetry_known
    path = write_text(tmp_path / "b.bvh", writers.bvh_text(writers.LAFAN, writers.bvh_motion(writers.LAFAN, 2, 0)))
    both = read_motion_file(path).skeleton(symmetric_pairs="names")
    assert {both.joint_names[i] for i in both.left} >= {"LeftArm", "LeftToe_end"}
    joints = [ARM[0], ARM[1], ARM[2]._replace(name="Arm", ends=())]
    with pytest.raises(TopologyError, match="'Arm' occurs 2 times"):
        bvh_twice(tmp_path, joints).skeleton()


def bvh_twice(tmp_path: Path, joints: list[Joint]) -> Motion:
    text = writers.bvh_text([*joints[:2], joints[2]._replace(name="Copy")], np.zeros((1, 10))).replace("Copy", "Arm")
    return read_motion_file(write_text(tmp_path / "twice.bvh", text))
