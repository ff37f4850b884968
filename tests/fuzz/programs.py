"""Whole programs: the command line, checkpoints of runs, names from data, and paths that are no files."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny_mocap
import torch

from skelgraph import training
from skelgraph.__main__ import main
from skelgraph.datasets import Human36M, MocapNPZ, read_calibration, read_cameras, read_npz, read_smpl
from skelgraph.datasets.protocol import Protocol
from skelgraph.errors import SkelgraphError
from skelgraph.models import create_model, list_models, load_official, model_info
from skelgraph.models.pretrained import Pretrained, load_weights, save_weights
from skelgraph.nn import TubeSkin
from skelgraph.topology import JointHypergraph, Skeleton, as_graph
from skelgraph.training.judging import MEASURES, protocol_record
from skelgraph.training.report import Sample, write_report

from . import archives, silly
from .case import Case, Room, Wrong, message_fault
from .seeds import training as shortest
from .weights import forge, torch_file


def command(arguments: list[str]) -> None:
    """Run the command line: it ends well, or with exit code 2 and one paragraph; nothing in what it prints steers a
    terminal."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    printed, complaint = out.getvalue(), err.getvalue()
    if steering := {c for c in printed + complaint if (c < " " and c not in "\n\t\r") or "\ud800" <= c <= "\udfff"}:
        raise Wrong(f"prints {sorted(steering)!r:.60}")
    if code == 0:
        return
    if code != 2 or not complaint.strip():
        raise Wrong(f"exit code {code}")
    if "Traceback" in complaint or "Traceback" in printed:
        raise Wrong("prints a traceback")
    if message_fault(complaint):
        raise Wrong("prints more than a paragraph")
    if complaint.startswith("error: ") != (complaint.count("\n") == 1) and not complaint.startswith("Usage:"):
        raise Wrong("prints more than a paragraph")
    raise RefusedError(complaint)


class RefusedError(SkelgraphError):
    """Exit code 2: the clean error of the command line."""


FLAGS = {
    "--model": ["sem_gcn", "martinez", "video_pose", "st_gcn_pose", "nehs_net", "hgn", "nobody"],
    "--option": ["hidden_channels=16", "dropout=0.1", "num_blocks=1"],
    "--dataset": ["synthetic", "mocap", "human36m", "x"],
    "--data-3d": ["no.npz", "/dev/zero", "."],
    "--data-2d": ["no.npz"],
    "--cameras": ["no.json", "."],
    "--keypoints": ["gt", "cpn", "hr", "x"],
    "--skeleton": ["h36m16", "coco17", "smpl24", "nobody17"],
    "--train-subjects": ["train", "test", "S1,S5", ",", "train,train", "nobody"],
    "--test-subjects": ["test", "train", ",", "nobody"],
    "--downsample": ["1", "5", "400", "10**23", "0", "-1"],
    "--test-downsample": ["1", "5", "400", "0"],
    "--max-epochs": ["1", "0", "-1"],
    "--batch-size": ["1", "2", "3", "7", "1000000", "0"],
    "--lr": ["1e-30", "1e6", "1e30", "0", "nan", "inf"],
    "--schedule": ["onecycle", "exponential", "cosine", "x"],
    "--lr-decay": ["0.5", "0", "1", "2", "nan"],
    "--weight-decay": ["0", "1e30", "nan", "inf", "-1"],
    "--clip-grad": ["0", "1e-30", "nan", "inf", "-1"],
    "--loss": ["mpjpe", "mse", "l1", "smooth_l1", "aligned", "x"],
    "--seed": ["0", "4294967295", "4294967296", "-1", "18446744073709551616"],
    "--device": ["cpu", "cuda", "x"],
    "--devices": ["0", "-1", "1000000"],
    "--precision": ["32", "bf16", "16", "x"],
    "--out": ["", "."],
    "--config": ["no.yaml", "/dev/zero", "."],
    "--import": ["no_such_module", "", "x.y"],
}
"""Options of `skelgraph train`, with values that somebody might type."""


def _texts(rng: random.Random) -> str:
    number = str(rng.choice(silly.NUMBERS[:-12] + silly.NUMBERS[-12:])) if rng.random() < 0.5 else None
    return number if number is not None and len(number) < 500 else rng.choice(silly.TEXTS)


def commands(rng: random.Random, number: int, room: Room) -> Case:
    """One command with one or two silly options on tiny data."""
    good = shortest(room.good)
    files = {f"--{key.replace('_', '-')}": good[key] for key in ("data_3d", "data_2d", "cameras")}
    train: dict[str, str] = {
        "--dataset": "mocap",
        **files,
        "--option": "hidden_channels=8",
        "--batch-size": "128",
        "--max-epochs": "1",
        "--device": "cpu",
        "--out": str(room.own / "out"),
    }
    names = list(FLAGS)
    chosen = [names[number % len(names)]]
    if rng.random() < 0.3:
        chosen.append(rng.choice(names))
    given = {name: rng.choice(FLAGS[name]) if rng.random() < 0.6 else _texts(rng) for name in chosen}
    if "--option" in given and rng.random() < 0.8:
        model = rng.choice(list_models())
        option = rng.choice([*model_info(model).options, "no_such", ""])
        value = rng.choice([_texts(rng), "[" * 9000, "9" * 5000, "{}", "[1]", "null", "Infinity", '"\\ud800"', "1e400"])
        given |= {"--model": model, "--option": f"{option}={value}"}
    if "--out" in given and rng.random() < 0.7:
        given["--out"] = str(
            rng.choice([room.good / "run", room.good / "cameras.json", "/proc/x", "/dev/null/x", room.own])
        )
    if given.get("--devices", "").strip() in ("2", "3", "7"):
        given["--devices"] = "0"
    if given.get("--downsample", "1") == "10**23":
        given["--downsample"] = "1" + "0" * 23
    if (large := given.get("--max-epochs", "1").strip()).lstrip("+").isdigit() and int(large) > 3:
        given["--max-epochs"] = "0"
    if "--config" in given and rng.random() < 0.7:
        given["--config"] = str(_config_file(rng, room))
    if "--import" in given:
        given["--import"] = given["--import"].replace(".", "_no.")  # nothing that exists, and is imported
    values = train | given
    if values["--dataset"] == "synthetic":
        values = {key: value for key, value in values.items() if key not in files} | {
            "--downsample": "500",
            "--test-downsample": "500",
        }
        values |= given
    arguments = ["train", "--no-progress", *(part for pair in values.items() for part in pair)]
    fate = rng.random()
    if fate < 0.05:
        arguments += [rng.choice(["--resume", "--overwrite", "--no-such", "--debugx", "extra"])]
    elif fate < 0.1:
        arguments = [rng.choice(["models", "skeletons", "evaluate", "convert-official", "nothing", *silly.TEXTS])]
        arguments += rng.choice([[], ["--help"], ["--no-such"], ["sem_gcn"], [_texts(rng)]])
        given = {}
    elif fate < 0.16:
        weights = rng.choice(["sem_gcn.pth", "martinez.old.pth", "cameras.json", "run", "data_3d.npz"])
        model, value = rng.choice(["sem_gcn", "martinez", _texts(rng)]), _texts(rng)
        arguments = ["convert-official", "--model", model, "--checkpoint", str(room.good / weights)]
        arguments += [
            "--out",
            str(room.own / "x.safetensors"),
            *rng.choice([[], ["--option", f"dropout={value}"], ["--skeleton", value]]),
        ]
    elif fate < 0.3:
        checkpoint = str(
            rng.choice([room.good / "run/checkpoints/last.ckpt", room.good / "sem_gcn.pth", room.own, "", "no.ckpt"])
        )
        extra = {
            key: value
            for key, value in given.items()
            if key not in ("--out", "--train-subjects", "--option", "--model")
        }
        arguments = ["evaluate", "--no-progress", "--checkpoint", checkpoint, "--out", str(room.own / "out")]
        arguments += [part for pair in extra.items() for part in pair]
    text = " ".join(map(repr, arguments))
    return Case(f"skelgraph {text[:60]} ... {given!r:.200}", lambda: command(arguments))


def _config_file(rng: random.Random, room: Room) -> Path:
    """The settings of a run with something wrong in them, as JSON, which is YAML."""
    record = json.loads((room.good / "run" / "config.json").read_text())
    part = record if rng.random() < 0.2 else record["config"]
    if rng.random() < 0.6:
        part = part[rng.choice([key for key, value in part.items() if isinstance(value, dict)])]
    silly.spoil(rng, part, silly.plain_value)
    path = room.own / rng.choice(["settings.json", "settings.yaml"])
    text = json.dumps(
        record if rng.random() < 0.5 else record.get("config"), default=str, ensure_ascii=rng.random() < 0.5
    )
    if rng.random() < 0.3:
        _, content = archives.damage(rng, text.encode(errors="surrogatepass"))
    else:
        content = text.encode(errors="surrogatepass")
    path.write_bytes(content)
    return path


# --- checkpoints of runs


def checkpoints(rng: random.Random, number: int, room: Room) -> Case:
    """A checkpoint of a run with something wrong in it: read, evaluated or resumed."""
    out = room.own / "run"
    path = out / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    good = room.good / "run" / "checkpoints" / "last.ckpt"
    fate = rng.random()
    if fate < 0.15:
        what, content = archives.damage(rng, good.read_bytes())
    elif fate < 0.25:
        what, content = torch_file(rng, room, {})
    elif fate < 0.3:
        what, content = "forged", forge(rng, good.read_bytes())
    else:
        saved = torch.load(good, weights_only=True)
        part = saved
        if rng.random() < 0.4:
            part = saved["skelgraph"]["config"]
        elif rng.random() < 0.5:
            part = saved["state_dict"]
        what = silly.spoil(rng, part, _checkpoint_value)
        stream = io.BytesIO()
        torch.save(saved, stream)
        content = stream.getvalue()
    path.write_bytes(content)
    if (config := room.good / "run" / "config.json").exists():
        shutil.copy(config, out)
    settings: dict[str, Any] = {**shortest(room.good), "out": str(out)}

    def resume() -> None:
        schedule = {"max_epochs": 1} if rng.random() < 0.5 else {"max_epochs": 2}
        training.train(training.TrainConfig(str(out)).replace(**settings | schedule), resume=True)

    readers: dict[str, Callable[[], Any]] = {
        "load_checkpoint": lambda: training.load_checkpoint(path),
        "saved_config": lambda: training.saved_config(out),
        "evaluate": lambda: training.evaluate(path, room.own / "out", device="cpu", progress=False),
        "resume": resume,
        "resume by command": lambda: command(["train", "--resume", "--no-progress", "--out", str(out)]),
        "evaluate by command": lambda: command(
            ["evaluate", "--no-progress", "--checkpoint", str(path), "--out", str(room.own / "out")]
        ),
    }
    reader = rng.choices(list(readers), [1, 1, 4, 4, 2, 1])[0]
    return Case(f"{reader}: {what}", readers[reader])


def _checkpoint_value(rng: random.Random) -> Any:
    tensors = [
        torch.zeros(3),
        torch.tensor(float("nan")),
        torch.zeros(1).expand(10**5, 10**5),
        torch.eye(3).to_sparse(),
    ]
    while True:
        value = rng.choice(tensors) if rng.random() < 0.2 else silly.plain_value(rng)
        if not _is_large(value):  # a count of epochs or frames that would only take its time
            return value


def _is_large(value: Any) -> bool:
    return isinstance(value, int) and 7 < value < 10**4


# --- names

NAMES = [text for text in silly.TEXTS if text.strip()] + ["a" * 100_000, "b" * 300 + "\x1b[2J", "Directions 1\r\x1b[A"]


def names(rng: random.Random, number: int, room: Room) -> Case:
    """Silly names of joints, subjects, actions and cameras, wherever names are shown."""
    positions, keypoints = tiny_mocap.arrays()
    name = NAMES[number % len(NAMES)]
    fate = rng.random()
    if fate < 0.4:  # a whole run
        for part in (positions, keypoints):
            actions: Any = part["test"]
            actions[name] = actions.pop("walk 3")
        rig = [{**camera, "id": rng.choice(NAMES)} for camera in tiny_mocap.CAMERAS]
        subject = rng.choice(NAMES) if rng.random() < 0.5 else "test"
        subject = subject.split(",")[0].strip() or "test"
        positions[subject], keypoints[subject] = positions.pop("test"), keypoints.pop("test")
        files = tiny_mocap.write(room.own / "data", positions, keypoints)
        Path(files["cameras"]).write_text(json.dumps({"cameras": rig}))
        pairs = {f"--{key.replace('_', '-')}": path for key, path in files.items()}
        arguments = ["train", "--no-progress", "--dataset", "mocap", *(part for pair in pairs.items() for part in pair)]
        arguments += [
            "--option",
            "hidden_channels=8",
            "--option",
            "num_blocks=1",
            "--batch-size",
            "128",
            "--max-epochs",
            "1",
        ]
        arguments += ["--device", "cpu", "--test-subjects", subject, "--out", str(room.own / "out")]
        return Case(f"train on action {name!r:.40} of subject {subject!r:.40}", lambda: command(arguments))
    joints = ["a", "b", rng.choice(NAMES)]
    joints[0] = name if rng.random() < 0.7 else "a"
    if fate < 0.75:

        def report() -> None:
            body = Skeleton([-1, 0, 1], joints, name=rng.choice([None, name]))
            row = {"mpjpe_mm": 1.0, "p_mpjpe_mm": 1.0, "frames": 3}
            metrics = {
                **dict.fromkeys(REPORTED, 1.0),
                "per_action": {name: row, "walk": row},
                "per_joint_mm": dict.fromkeys(body.joint_names, 1.0),
                "model": name,
                "dataset": {
                    "name": name,
                    "is_synthetic": True,
                    "split": "test",
                    "subjects": [name],
                    "frames": 3,
                    "files": [name],
                },
                "versions": {"torch": name},
                "rows": {
                    "network": {**dict.fromkeys((*REPORTED, *MEASURES), 1.0), "per_action": {name: row, "walk": row}}
                },
                "headline": "network",
                "protocol": protocol_record(Protocol(name, (0, 50), joints=tuple(body.joint_names[:1]))),
                "root": "subtract",
                "flip_test": False,
                "refine_dropout_at_test": False,
                "notes": [name],
                "seed": 0,
            }
            sample = Sample(torch.rand(3, 3, 2), torch.rand(3, 3, 3), torch.rand(3, 3, 3), 25.0, name)
            write_report(room.own, metrics, {"loss": name, "out": name, "options": {name: name}}, [], sample, body)

        return Case(f"write_report of {name!r:.40}, joints {joints!r:.80}", report)

    def topology() -> None:
        import matplotlib.pyplot as plt

        body = Skeleton([-1, 0, 1], joints, parts={name: [0, 1]}, name=name)
        body.plot()
        plt.savefig(io.BytesIO())
        plt.close("all")
        model = create_model("sem_gcn", body, hidden_channels=8, num_blocks=1)
        groups = JointHypergraph.from_lists(3, [[0, 1], [2]], groups={name: [0], "b": [1]}, skeleton=body)
        for shows in (body, as_graph(body), model, groups, TubeSkin(body)):
            if unfit := message_fault(repr(shows)):
                raise Wrong(f"{unfit} in the repr of {type(shows).__name__}")
        save_weights(model, room.own / "x.safetensors")
        load_weights(room.own / "x.safetensors")
        model(torch.zeros(1, 5, 2))  # says the name

    return Case(f"plot, save and say {name!r:.40}, joints {joints!r:.80}", topology)


ERRORS = ("mpjpe_mm", "p_mpjpe_mm", "mean_pose_mpjpe_mm", "mpjpe_frames_mm", "p_mpjpe_frames_mm", "n_mpjpe_mm")
REPORTED = (
    *ERRORS,
    *("mean_pose_mpjpe_frames_mm", "mpjve_mm", "pck", "auc"),
    *("best_epoch", "best_mpjpe_mm", "num_parameters", "seed", "epochs", "seconds"),
)
"""The numbers of metrics.json."""


# --- paths


def paths(rng: random.Random, number: int, room: Room) -> Case:
    """Everything that takes a path, with one that is no ordinary file."""
    good = {key: str(room.good / name) for key, name in GOOD.items()}
    suffix = rng.choice([".npz", ".pkl", ".json", ""])
    own = room.own / f"special{suffix}"
    kinds: dict[str, Callable[[], Any]] = {
        "FIFO": lambda: os.mkfifo(own),
        "/dev/zero": lambda: own.symlink_to("/dev/zero"),
        "/dev/random": lambda: own.symlink_to("/dev/random"),
        "/dev/null": lambda: own.symlink_to("/dev/null"),
        "/dev/stdin": lambda: own.symlink_to("/proc/self/fd/0"),
        "folder": own.mkdir,
        "loop of links": lambda: own.symlink_to(own),
        "broken link": lambda: own.symlink_to(room.own / "no"),
        "socket": lambda: _socket(own),
        "sparse file": lambda: _sparse(own),
        "missing": lambda: None,
        "unreadable": lambda: (own.write_bytes(b"x"), own.chmod(0)),
        "silly": lambda: None,
    }
    users: dict[str, Callable[[Any], Any]] = {
        "read_npz": read_npz,
        "MocapNPZ data_3d": lambda path: MocapNPZ(path, None, good["cameras"]),
        "MocapNPZ data_2d": lambda path: MocapNPZ(good["data_3d"], path, good["cameras"]),
        "MocapNPZ cameras": lambda path: MocapNPZ(good["data_3d"], None, path),
        "Human36M data_3d": Human36M,
        "Human36M cpn": lambda path: Human36M(path, keypoints="cpn"),
        "read_cameras": lambda path: read_cameras(path, ["train"]),
        "read_calibration": read_calibration,
        "read_smpl": read_smpl,
        "load_official": lambda path: load_official("sem_gcn", path),
        "load_weights": load_weights,
        "from_pretrained": Pretrained.from_pretrained,
        "load_checkpoint": training.load_checkpoint,
        "evaluate": lambda path: training.evaluate(path, room.own / "out", device="cpu", progress=False),
        "evaluate out": lambda path: training.evaluate(good["checkpoint"], path, device="cpu", progress=False),
        "train out": lambda path: training.train(training.TrainConfig(path).replace(**shortest(room.good))),
        "saved_config": training.saved_config,
        "save_weights": lambda path: save_weights(create_model("sem_gcn", hidden_channels=8, num_blocks=1), path),
        "--data-3d": lambda path: command(
            ["train", "--dataset", "mocap", "--data-3d", str(path), "--cameras", good["cameras"]]
        ),
        "--cameras": lambda path: command(
            ["train", "--dataset", "mocap", "--data-3d", good["data_3d"], "--cameras", str(path)]
        ),
        "--checkpoint": lambda path: command(["evaluate", "--checkpoint", str(path)]),
        "convert-official": lambda path: command(
            [
                "convert-official",
                "--model",
                "sem_gcn",
                "--checkpoint",
                str(path),
                "--out",
                str(room.own / "x.safetensors"),
            ]
        ),
        "convert-official --out": lambda path: command(
            ["convert-official", "--model", "sem_gcn", "--checkpoint", good["official"], "--out", str(path)]
        ),
    }
    user = list(users)[number % len(users)]
    kind = list(kinds)[number // len(users) % len(kinds)]
    kinds[kind]()
    path: Any = rng.choice([own, str(own)])
    if kind == "silly":
        path = rng.choice([*SILLY_PATHS, *(silly.value(rng) for _ in range(5))])
    elif rng.random() < 0.1 and "MocapNPZ" in user:  # a file where a folder is needed
        path = Path(good["cameras"]) / "x.npz"
    return Case(f"{user}: {kind} {path!r:.60}", lambda: users[user](path))


GOOD = {
    "data_3d": "data_3d.npz",
    "data_2d": "data_2d.npz",
    "cameras": "cameras.json",
    "official": "sem_gcn.pth",
    "checkpoint": "run/checkpoints/last.ckpt",
}
SILLY_PATHS = [
    "",
    " ",
    ".",
    "/",
    "~",
    "\x00",
    "a\x00b",
    "a" * 5000,
    "/".join("a" * 2000),
    "\ud800",
    b"bytes.npz",
    0,
    99,
    -1,
]


def _socket(path: Path) -> None:
    import socket

    socket.socket(socket.AF_UNIX).bind(str(path))


def _sparse(path: Path) -> None:
    """A file of 100 GB that takes no space."""
    with path.open("wb") as file:
        file.truncate(100 * 10**9)
