"""The command line: what it prints, writes and refuses."""

from __future__ import annotations

import json
import os
import pickle
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_mocap
import torch

import skelgraph
from skelgraph import cli
from skelgraph.__main__ import main
from skelgraph.cli.options import written
from skelgraph.datasets import DATASETS
from skelgraph.models import create_model, list_models, load_head, load_official, model_info
from skelgraph.models.pretrained import load_weights, save_weights
from skelgraph.options import choices, meanings, option_types
from skelgraph.recipes import list_recipes
from skelgraph.topology import list_skeletons
from skelgraph.training import LOSSES, SCHEDULES, TrainConfig

SMALL = "--model sem_gcn --option hidden_channels=8 --option num_blocks=1 --device cpu --no-progress"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return tiny_mocap.write(tmp_path_factory.mktemp("mocap"))


def options(files: dict[str, str]) -> str:
    given = (f"--{key.replace('_', '-')} {shlex.quote(path)}" for key, path in files.items())
    return f"--dataset mocap {' '.join(given)}"


def run(command: str) -> int:
    return main(shlex.split(command))


def fails(capsys: pytest.CaptureFixture[str], command: str, *words: str) -> None:
    """Exit code 2, and one paragraph on stderr that holds the words."""
    assert run(command) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def test_train_then_evaluate(files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert (
        run(
            f"train {SMALL} {options(files)} --schedule exponential --max-epochs 1 --batch-size 64 --seed 7 --out {out}"
        )
        == 0
    )
    printed = capsys.readouterr().out
    metrics = json.loads((out / "metrics.json").read_text())
    assert "mean over actions" in printed
    assert f"{metrics['mpjpe_mm']:.2f}" in printed
    assert f"{out}/report.html" in printed.replace("\n", "")
    assert "Synthetic" not in printed
    config = json.loads((out / "config.json").read_text())["config"]
    assert config["network"]["options"] == {"hidden_channels": 8, "num_blocks": 1}
    assert (config["training"]["batch_size"], config["training"]["seed"]) == (64, 7)

    last = out / "checkpoints" / "last.ckpt"
    assert run(f"evaluate --checkpoint {last} {options(files)} --no-progress --out {tmp_path / 'again'}") == 0
    again = json.loads((tmp_path / "again" / "metrics.json").read_text())
    assert again["mpjpe_mm"] == metrics["mpjpe_mm"]
    assert run(f"evaluate --checkpoint {last} --test-subjects train --no-progress --out {tmp_path / 'other'}") == 0
    assert json.loads((tmp_path / "other" / "metrics.json").read_text())["dataset"]["subjects"] == ["train"]

    capsys.readouterr()
    fails(capsys, f"train {SMALL} {options(files)} --out {out}", str(out), "--resume", "--overwrite")
    fails(capsys, f"train --max-epochs 2 --lr 0.5 --resume --out {out}", "lr was 0.004, now 0.5")
    assert run(f"train --max-epochs 2 --resume --no-progress --out {out}") == 0  # all else as it was
    assert json.loads((out / "metrics.json").read_text())["epochs"] == 2


def test_unchecked_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    positions, _ = tiny_mocap.arrays()
    positions["test"] = {action: 1000 * world for action, world in positions["test"].items()}
    files = options(tiny_mocap.write(tmp_path, positions))
    command = f"train {SMALL} {files} --max-epochs 1 --out {tmp_path / 'run'}"
    fails(capsys, command, "data_3d.npz: subject test, action 'walk 3'", "looks like millimetres", "--unchecked")
    assert not (tmp_path / "run").exists()
    assert run(f"{command} --unchecked") == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["config"]["data"]["unchecked"] is True
    evaluate = f"evaluate --checkpoint {tmp_path / 'run' / 'checkpoints' / 'last.ckpt'} --device cpu --no-progress"
    assert run(f"{evaluate} --out {tmp_path / 'again'}") == 0  # the run's own data, as it was told
    capsys.readouterr()
    fails(capsys, f"{evaluate} {files} --out {tmp_path / 'anew'}", "looks like millimetres")


def test_progress_without_a_terminal_is_plain_lines(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loud = SMALL.replace("--no-progress", "--progress")
    assert run(f"train {loud} {options(files)} --max-epochs 2 --out {tmp_path / 'run'}") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert "\x1b" not in "".join(lines)


class Malicious:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.path, "executed")


def broken_files(folder: Path, fault: str) -> dict[str, str]:
    positions, keypoints = tiny_mocap.arrays()
    walk = positions["train"]["walk 1"]
    if fault == "joints":
        positions["train"]["walk 1"] = walk[:, :15]
    elif fault == "nan":
        walk[13, 4, 1] = np.nan
    elif fault == "length":
        keypoints["train"]["walk 1"][1] = keypoints["train"]["walk 1"][1][:50]
    elif fault == "subject":
        del positions["train"]
    files = tiny_mocap.write(folder, positions, keypoints)
    path = Path(files["data_3d"])
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:2000])
    elif fault == "missing":
        path.unlink()
    elif fault == "malicious":
        np.savez(path, positions_3d=np.array(Malicious(folder / "trace"), dtype=object))
    elif fault == "pickle":
        path.write_bytes(pickle.dumps(Malicious(folder / "trace")))
    return files


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("truncated", ["data_3d.npz"]),
        ("missing", ["data_3d.npz"]),
        ("pickle", ["data_3d.npz"]),
        ("malicious", ["data_3d.npz"]),
        ("subject", ["data_3d.npz", "train", "subject"]),
        ("joints", ["data_3d.npz", "walk 1", "15", "17"]),
        ("nan", ["data_3d.npz", "walk 1", "NaN", "13"]),
        ("length", ["data_2d.npz", "walk 1", "50", "61"]),
    ],
)
def test_bad_data(fault: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = broken_files(tmp_path / "data", fault)
    fails(capsys, f"train {SMALL} {options(files)} --out {tmp_path / 'out'}", *words)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "data" / "trace").exists()


def test_bad_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "wrong.ckpt", tmp_path / "out"
    torch.save({"state_dict": {"weight": torch.zeros(3)}}, path)
    fails(capsys, f"evaluate --checkpoint {path} --out {out}", "wrong.ckpt", "was not written by")
    path.write_bytes(pickle.dumps(Malicious(tmp_path / "trace")))
    fails(capsys, f"evaluate --checkpoint {path} --out {out}", "wrong.ckpt", "refused")
    fails(capsys, f"evaluate --checkpoint {tmp_path / 'no.ckpt'} --out {out}", "no.ckpt", "there is no such file")
    assert not out.exists()
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--max-epochs 0", ["max-epochs is 0"]),
        ("--lr -1", ["lr is -1.0"]),
        ("--model sem_gnc", ["sem_gnc", "did you mean sem_gcn"]),
        ("--dataset human36m", ["needs --data-3d", "dataset 'synthetic' needs no files"]),
        ("--dataset mocap --data-3d no.npz --cameras no.json", ["no.json"]),
        ("--option hidden", ["--option", "key=value"]),
        ("--option hidden=3", ["hidden", "hidden_channels"]),
        ("--option non_local=False", ["non_local=False", "did you mean non_local=false?"]),
        ("--option non_local=no", ["non_local is 'no'", "true or false"]),
        ("--option hidden_channels=NaN", ["hidden_channels is nan", "an integer from 1 to 65536"]),
        (f"--option hidden_channels={'[' * 9000}", ["hidden_channels is '[[", "an integer from 1 to 65536"]),
        (f"--option hidden_channels={'9' * 9000}", ["hidden_channels is '999", "an integer from 1 to 65536"]),
        ("--seed 4294967296", ["seed is 4294967296", "0 to 4294967295"]),
        ("--test-downsample 100000000000000000000000", ["test-downsample is 10000", "1 to 1000000"]),
        ("--weight-decay nan", ["weight-decay is nan"]),
        ("--model martinez --batch-size 1", ["batch-size", "at least 2"]),
        ("--option in_channels=3", ["in_channels of the model is 3", "expected 2"]),
        ("--resume", ["--resume needs --out"]),
        ("--init-from open --skeleton h36m17", ["'h36m16' of 16 joints, expected 'h36m17' of 17"]),
        ("--recipe mine.yaml", ["mine.yaml", "a file of settings is --config"]),
        ("--model SemGCN", ["did you mean sem_gcn"]),
        ("--import mine.py", ["there is no module of this name; its name is mine"]),
        ("--resume --overwrite --out x", ["--overwrite"]),
        ("--data-3d x.npz", ["synthetic", "data_3d"]),
    ],
)
def test_wrong_arguments(arguments: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = "" if "--out" in arguments or "--resume" in arguments else f"--out {tmp_path / 'out'}"
    fails(capsys, f"train {arguments} --downsample 50 {out}", *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["train --no-such-option", "train --lr fast", "evaluate", "no-such-command"])
def test_usage_errors(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_unknown_options_are_answered_with_those_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate --weights open --test-subject S02") == 2
    assert capsys.readouterr().err == (
        "error: Unrecognized options: --test-subject, S02; Perhaps you meant: --test-subjects NAMES; see skelgraph "
        "evaluate --help\n"
    )
    assert run("visualize --weights open --test-downsample 5 --out x.gif") == 2
    assert capsys.readouterr().err.endswith("Perhaps you meant: --downsample INT; see skelgraph visualize --help\n")
    assert run("train --downsampl 5") == 2  # the help of which names another option
    assert "; Perhaps you meant: --downsample FRAMES, --test-downsample FRAMES; see " in capsys.readouterr().err
    assert run("visualize --skipp 5 --limitt 4") == 2
    words = capsys.readouterr().err.strip().split("; ")
    assert sorted(words[1:3]) == [
        "Arguments similar to --limitt: --limit INT",
        "Arguments similar to --skipp: --skip INT",
    ]
    assert run("skeletons --test-downsample 5") == 2
    assert "Perhaps you meant" not in capsys.readouterr().err, "of other commands"
    fails(capsys, "train --non-local", "an option of a network is given as --option non_local=VALUE")
    assert run("train --qqq") == 2
    assert capsys.readouterr().err == "error: Unrecognized options: --qqq; see skelgraph train --help\n"


@pytest.mark.parametrize("arguments", [["train", "--help"], ["--version"], ["--json", "skeletons"], ["recipes"]])
def test_who_reads_may_stop(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "skelgraph", *arguments]
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_closed_streams_are_no_fault() -> None:
    """As a daemon hands them on: no file gets their numbers, with what foreign code logs."""
    code = (
        "import os, sys\n"
        "from skelgraph.__main__ import main\n"
        "result = main(['skeletons'])\n"
        "sys.exit(result or 10 * (os.open(os.devnull, os.O_RDONLY) < 3))"
    )
    command = f"exec {shlex.join([sys.executable, '-c', code])} <&- >&- 2>&-"
    assert subprocess.run(command, shell=True, timeout=120).returncode == 0


@pytest.mark.parametrize("columns", ["40", "80", None])
def test_names_in_tables_are_whole(
    columns: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    for command, names in (("recipes", list_recipes()), ("models", list_models()), ("skeletons", list_skeletons())):
        assert run(command) == 0
        out = capsys.readouterr().out
        found = {cell.strip() for line in out.splitlines() for cell in line.split("│")[1:2]}
        assert found >= set(names)
        assert command != "models" or "4,218" in out  # no column is empty
        if columns is not None:
            assert max(map(len, (line for line in out.splitlines() if "│" in line))) <= max(int(columns), 60)


@pytest.mark.parametrize("command", ["--debug train --lr -1", "train --lr -1 --debug"])
def test_debug_shows_the_traceback(command: str) -> None:
    with pytest.raises(skelgraph.errors.SkelgraphError, match="lr is -1"):
        run(command)


def test_options_of_a_model(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert run("models nehs_net") == 0
    out = capsys.readouterr().out
    assert model_info("nehs_net").paper in out
    assert "cpn: 49.50 / 38.83" in out
    rows = {line.split("│")[1].strip(): line for line in out.splitlines() if line.count("│") == 5}
    assert rows.keys() >= model_info("nehs_net").options.keys()
    assert all(word in rows["use_bones"] for word in ("true", "true or false", "Have a stream of bones."))
    assert all(word in rows["dropout"] for word in ("0.3", "a number from 0 to 1", "Dropout rate."))
    assert all(word in rows["in_frames"] for word in ("null", "an integer from 1 to 100000 or none", "Frames of the"))
    assert "names of hyperedge_groups, or lists of joints, ids or names" in rows["hyperedges"].lower()
    fails(capsys, "models nehsnet", "did you mean nehs_net")


@pytest.mark.parametrize("name", list_models())
def test_every_option_of_every_model_is_explained(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    info = model_info(name)
    assert meanings(info.cls).keys() >= info.options.keys()
    assert not any("`" in text for text in meanings(info.cls).values())
    assert run(f"models {name}") == 0
    assert name in capsys.readouterr().out


def test_version_and_lists(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run("--version") == 0
    assert capsys.readouterr().out.strip() == f"skelgraph {skelgraph.__version__}"
    assert run("models") == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "sem_gcn" in line)
    assert "267,343" in row
    assert "42.14 / 33.53" in row
    assert run("skeletons") == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "h36m17" in line)
    assert [cell.strip() for cell in row.split("│")[1:5]] == ["h36m17", "17", "16", "6"]


def test_the_help_tells_every_setting(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its option, help, default and choices, from the one declaration."""
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit):
        cli.run(["train", "--help"])
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for group, member in TrainConfig.declared():
        about = member.metadata
        assert about["help"].endswith(".")
        if member.name in ("options", "data_options", "extra_options", "imports"):  # one by one: --option, --import
            continue
        _, option, text = printed.partition(f"--{member.name.replace('_', '-')} ")
        assert option or f"--{member.name.replace('_', '-')}, --no-" in printed
        default = about["absent"] if member.default is None else written(member.default)
        assert default
        names = choices(option_types(TrainConfig.groups()[group]).get(member.name))
        if names and not about["unit"]:  # else it may be something else, too
            assert text.startswith("{" + ",".join(names) + "}")
        assert about["help"] in printed
        assert f"(default: {default})" in (text or printed)[:700] or not option
    for table in (DATASETS, LOSSES, SCHEDULES):
        assert all(f"{name}: {info.help}" in printed for name, info in table.items())


def test_the_help_tells_the_defaults_of_lifting_as_they_are_typed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit):
        cli.run(["lift", "--help"])
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "(default: npz,html)" in printed
    assert "(default: )" not in printed


def test_ctrl_c_exits_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    from skelgraph import training

    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", interrupted)
    assert run("train") == 130


def test_ctrl_c_in_training_exits_with_130(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    from skelgraph.training import LiftingModule

    def interrupted(self: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LiftingModule, "on_train_epoch_start", interrupted)
    handler = signal.getsignal(signal.SIGINT)
    try:
        assert run(f"train {SMALL} {options(files)} --out {tmp_path / 'out'}") == 130
    finally:
        signal.signal(signal.SIGINT, handler)  # which Lightning takes away
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_missing_extra_says_what_to_install(tmp_path: Path) -> None:
    """With `lightning` and then `tyro` not installed, in a process of its own."""
    code = (
        "import sys; sys.modules[{name!r}] = None\n"
        "from skelgraph.__main__ import main\n"
        "sys.exit(main(['train', '--out', {out!r}]))"
    )
    for name in ("lightning", "tyro"):
        process = subprocess.run(
            [sys.executable, "-c", code.format(name=name, out=str(tmp_path / "out"))], capture_output=True, text=True
        )
        assert process.returncode == 2
        assert process.stderr.startswith("error: ")
        assert 'pip install "skelgraph[train]"' in process.stderr
    assert not (tmp_path / "out").exists()


def test_lifting_takes_nothing_of_other_extras(tmp_path: Path) -> None:
    """Whoever has installed `.[lift]` alone has none of these."""
    others = ["lightning", "tensorboard", "onnx", "onnxruntime", "dhg", "h5py", "smplx", "optuna", "ray"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({others}))\n"
        "import skelgraph.lifting as lifting; [getattr(lifting, name) for name in lifting.__all__]\n"
        "from skelgraph.__main__ import main\n"
        f"sys.exit(main(['lift', '--example', '--format', 'npz,trc,c3d,bvh,html', '--out', {str(tmp_path / 'out')!r}]))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "out" / "cam04" / "viewer.html").exists()


def test_help_is_quick() -> None:
    code = (
        "import sys\nfrom skelgraph.__main__ import main\nmain(['train', '--help'])\n"
        "print({'lightning', 'matplotlib', 'torch'} & set(sys.modules), file=sys.stderr)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "--max-epochs" in process.stdout
    assert process.stderr.strip() == "set()"


def test_convert_official(golden: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint, out = tmp_path / "official.pth", tmp_path / "rs_net.safetensors"
    torch.save(golden("rs_net_model_no_dropout").state_dict(), checkpoint)
    convert = f"convert-official --model rs_net --checkpoint {checkpoint} --skeleton h36m16"
    assert run(f"{convert} --option dropout=null --out {out}") == 0
    assert "rs_net on h36m16" in capsys.readouterr().out
    model = load_weights(out)
    assert model.config["options"]["dropout"] is None
    reference = golden("rs_net_model_no_dropout")
    y = model.double()(reference["in/x"].squeeze(2).squeeze(-1).movedim(1, 2))
    reference.assert_close(y.movedim(1, 2).unsqueeze(2).unsqueeze(-1), "out/y")

    fails(capsys, f"{convert} --out {out}", "exists already", "--overwrite")
    missing = tmp_path / "none.safetensors"
    fails(
        capsys, f"convert-official --model sem_gcn --checkpoint {checkpoint} --out {missing}", "not an official sem_gcn"
    )
    fails(capsys, f"convert-official --model rsnet --checkpoint {checkpoint} --out {missing}", "did you mean rs_net")
    assert not missing.exists()


def test_a_refinement_head_is_converted(shared_dir: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint, out = shared_dir("real") / "ckpt_modulated_gcn_benchmark_post_refine.pth", tmp_path / "head.safetensors"
    assert run(f"convert-official --model post_refine --checkpoint {checkpoint} --out {out}") == 0
    assert "post_refine on h36m17, {'hidden_channels': 1024, 'dropout': 0.5}" in capsys.readouterr().out
    converted, expected = load_head(out, "h36m17").state_dict(), load_official("post_refine", checkpoint).state_dict()
    assert all(torch.equal(converted[key], expected[key]) for key in expected)


def test_every_command_refuses_what_holds_no_weights_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    for path in (tmp_path / "run" / "checkpoints" / "best.ckpt", tmp_path / "text"):
        path.write_text("no weights")
    commands = (
        *(f"{command} --weights" for command in ("evaluate", "visualize", "export", "pack", "lift --example")),
        "train --init-from",
        "evaluate --dataset synthetic --weights open --refine",
    )
    for name, expected in {
        "run": "expected one of its checkpoints: checkpoints/best.ckpt",
        "run/checkpoints": "a folder without model.safetensors, which save_pretrained writes; expected",
        "text": "holds neither of the two formats that torch.save writes",
        "missing": "missing: there is no such file.",
    }.items():
        answers = set()
        for command in commands:
            assert run(f"{command} {tmp_path / name} --out {tmp_path / 'out.gif'}") == 2
            answers.add(capsys.readouterr().err)
        (answer,) = answers
        assert expected in answer
    assert not (tmp_path / "out.gif").exists()


def test_a_weight_file_is_evaluated(files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights, out = tmp_path / "m.safetensors", tmp_path / "out"
    save_weights(create_model("sem_gcn", hidden_channels=8, num_blocks=1), weights)
    evaluate = f"evaluate --checkpoint {weights} --device cpu --no-progress --out {out}"
    fails(capsys, evaluate, "does not say on what data", "expected --dataset")
    assert not out.exists()
    assert run(f"{evaluate} {options(files)}") == 0
    capsys.readouterr()
    metrics = json.loads((out / "metrics.json").read_text())
    assert (metrics["model"], metrics["epochs"], metrics["weights"]) == ("sem_gcn", None, str(weights))
    fails(capsys, f"convert-official --model sem_gcn --checkpoint {weights} --out {out}.x", "skelgraph.load_model")
