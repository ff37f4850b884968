"""What scripts read: ``--json``, ``--quiet`` and the completion of shells."""

from __future__ import annotations

import inspect
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import lightning  # noqa: F401 - before anything is quiet: its log goes where stderr is when it is imported
import pytest
import tiny_mocap

import skelgraph
from skelgraph import cli
from skelgraph.__main__ import main
from skelgraph.cli.output import answer
from skelgraph.models import create_model, model_info
from skelgraph.models.measured import read_measured
from skelgraph.models.pretrained import save_weights
from skelgraph.recipes import list_recipes, read_recipe
from skelgraph.topology import as_skeleton, list_skeletons

Capture = pytest.CaptureFixture[str]


def document(capsys: Capture, command: str, code: int = 0) -> Any:
    """The one JSON document on stdout."""
    capsys.readouterr()
    assert main(["--json", *shlex.split(command)]) == code
    return json.loads(capsys.readouterr().out)


def strict(text: str) -> Any:
    """JSON without NaN and infinity, which others do not read."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


def test_every_command_has_an_answer() -> None:
    for command in get_args(cli.COMMANDS):
        used = [inspect.getsource(sys.modules[get_args(command)[0].__module__])]
        if "on_first_process" in used[0]:  # train and evaluate answer by the module of their tables
            used.append(inspect.getsource(sys.modules["skelgraph.cli.results"]))
        assert any("answer(" in source or "(answer)(" in source for source in used), command


def test_skeletons(capsys: Capture) -> None:
    found = document(capsys, "skeletons")["skeletons"]
    assert [one["name"] for one in found] == list_skeletons()
    for one in found:
        layout = as_skeleton(one["name"])
        assert one["joints"] == list(layout.joint_names)
        assert [tuple(bone) for bone in one["bones"]] == list(layout.edges)
        assert [tuple(pair) for pair in one["symmetric_pairs"]] == list(layout.symmetric_pairs)


def test_one_skeleton(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = as_skeleton("h36m16")
    found = document(capsys, "skeletons h36m16")
    assert (found["joints"], found["parents"]) == (list(layout.joint_names), list(layout.parents))
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "mine.json").write_text(
        '{"joint_names": ["a", "l_b", "r_b"], "parents": [-1, 0, 0], "symmetric_pairs": [[1, 2]]}'
    )
    assert main(["skeletons", str(tmp_path / "mine.json")]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if " 1 " in line)
    assert [cell.strip() for cell in row.split("│")[1:5]] == ["1", "l_b", "a", "r_b"]
    assert main(["skeletons", "h36m1"]) == 2
    assert "did you mean h36m17" in capsys.readouterr().err


def test_one_network(capsys: Capture) -> None:
    found = document(capsys, "models sem_gcn")
    info = model_info("sem_gcn")
    assert (found["paper"], found["url"]) == (info.paper, info.url)
    assert found["published_mm"] == {setting: list(errors) for setting, errors in info.published.items()}
    assert {one["option"]: one["default"] for one in found["options"]} == info.options
    assert all(one["may_be"] and one["meaning"] for one in found["options"])
    assert len(found["measured"]) == sum(row.model == "sem_gcn" for row in read_measured())


def test_all_networks(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skelgraph.models.list_models", lambda: ["martinez", "sem_gcn"])
    found = document(capsys, "models")
    assert [(one["name"], one["parameters"]) for one in found["networks"]][1] == ("sem_gcn", 267_343)
    assert [one["name"] for one in found["weights"]] == ["open"]
    assert all(one["bytes"] > 10_000 for one in found["weights"])
    assert {row["model"] for row in found["measured"]} <= {"martinez", "sem_gcn"}


def test_recipes(capsys: Capture) -> None:
    found = document(capsys, "recipes")["recipes"]
    assert [one["name"] for one in found] == list_recipes()
    for one in found:
        recipe = read_recipe(one["name"])
        assert one["published"] == recipe.numbers
        assert one["exact"] == recipe.published.exact == (not one["reasons"])
    staged = next(name for name in list_recipes() if read_recipe(name).first_stage is not None)
    recipe = read_recipe(staged)
    settings = document(capsys, f"recipes {staged}")["settings"]
    assert settings["second stage"] == json.loads(json.dumps(recipe.config.settings()))
    assert settings["first stage"]["refine"] != settings["second stage"]["refine"]


def test_version(capsys: Capture) -> None:
    assert document(capsys, "--version") == {"skelgraph": skelgraph.__version__}


def test_findings_are_an_answer_though_they_are_an_error(tmp_path: Path, capsys: Capture) -> None:
    files = tiny_mocap.write(tmp_path)
    given = " ".join(f"--{name.replace('_', '-')} {path}" for name, path in files.items())
    good = document(capsys, f"data check --dataset mocap {given}")["findings"]
    assert {one["verdict"] for one in good} <= {"right", "told", "look"}
    positions, _ = tiny_mocap.arrays()
    positions["test"] = {action: 1000 * world for action, world in positions["test"].items()}
    tiny_mocap.write(tmp_path, positions)
    assert main(shlex.split(f"--json data check --dataset mocap {given}")) == 2
    out, err = capsys.readouterr()
    (wrong,) = (one for one in strict(out)["findings"] if one["verdict"] == "wrong")
    assert "millimetres" in wrong["found"] + wrong["advice"]
    assert err.splitlines()[-1].startswith("error: 1 of ")


def test_evaluations_and_packed_files(tmp_path: Path, capsys: Capture) -> None:
    weights, out = tmp_path / "m.safetensors", tmp_path / "out"
    save_weights(create_model("sem_gcn", hidden_channels=8, num_blocks=1), weights)
    files = tiny_mocap.write(tmp_path / "mocap")
    given = " ".join(f"--{name.replace('_', '-')} {path}" for name, path in files.items())
    command = f"evaluate --weights {weights} --device cpu --dataset mocap {given} --out {out}"
    assert main(shlex.split(f"{command} --json")) == 0
    printed, messages = capsys.readouterr()
    assert strict(printed) == {"out": str(out), "metrics": json.loads((out / "metrics.json").read_text())}
    assert "{" not in messages
    assert main(shlex.split(f"--quiet {command} --overwrite")) == 0
    assert capsys.readouterr() == ("", "")
    assert (out / "report.html").exists()

    packed = tmp_path / "packed.safetensors"
    assert main(shlex.split(f"--json --quiet pack --weights {weights} --out {packed} --half")) == 0
    printed, messages = capsys.readouterr()
    assert messages == ""
    assert json.loads(printed) == {
        "file": str(packed),
        "network": "sem_gcn",
        "frames": 1,
        "skeleton": "h36m17",
        "parameters": sum(p.numel() for p in create_model("sem_gcn", hidden_channels=8, num_blocks=1).parameters()),
        "bytes": packed.stat().st_size,
        "tested": None,
    }


@pytest.mark.parametrize("switches", ["--json", "--quiet", "--json --quiet"])
def test_errors_are_said(switches: str, capsys: Capture) -> None:
    assert main(shlex.split(f"models no_such {switches}")) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: unknown model 'no_such'")
    assert err.count("\n") == 1
    assert main(["skeletons"]) == 0
    assert "h36m17" in capsys.readouterr().out, "the next command speaks again"


def test_numbers_that_json_lacks(capsys: Capture) -> None:
    facts = {"loss": float("nan"), "rows": [(1.0, float("inf"))], "file": Path("a") / "b", "name": "\ud83d ü"}
    with cli.speaking({"--json"}):
        print("a message")
        answer(facts, lambda facts: pytest.fail("for people"))
    out, err = capsys.readouterr()
    assert strict(out)["rows"] == [[1.0, None]]
    assert (strict(out)["loss"], strict(out)["file"]) == (None, str(Path("a") / "b"))
    assert "ü" in out
    assert err == "a message\n"


def test_a_script_is_printed_without_pytorch() -> None:
    """In a process of its own: what the streams of the process itself get."""
    code = (
        "import sys\nfrom skelgraph.__main__ import main\ncode = main(['completion', 'bash'])\n"
        "print({'lightning', 'matplotlib', 'torch'} & set(sys.modules), code, file=sys.stderr)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.stderr.strip() == "set() 0"
    asked = {"skelgraph rec": "recipes", "skelgraph data ch": "check", "skelgraph train --max-ep": "--max-epochs"}
    if (bash := shutil.which("bash")) is None:
        pytest.skip("there is no bash here")
    script = process.stdout
    for line, word in asked.items():
        words = line.split()
        script += (
            f"\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; COMP_POINT={len(line)}; "
            f'COMPREPLY=(); _tyro_skelgraph; echo "{word}: ${{COMPREPLY[*]}}"'
        )
    completed = subprocess.run([bash, "-c", script], capture_output=True, text=True).stdout.splitlines()
    assert completed == [f"{word}: {word}" for word in asked.values()]


def test_other_shells(capsys: Capture) -> None:
    found = document(capsys, "completion zsh")
    assert found["shell"] == "zsh"
    assert found["script"].startswith("#compdef skelgraph")
    assert main(["completion", "cmd"]) == 2
    assert "unknown shell 'cmd'" in capsys.readouterr().err
