"""Settings of a run in a file: YAML or JSON that somebody wrote, or the ``config.json`` of a run."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike

from skelgraph.errors import SkelgraphError
from skelgraph.files import as_path, read_json
from skelgraph.files.yaml_text import read_yaml
from skelgraph.text import plain
from skelgraph.training.config import TrainConfig


def read_config(path: str | PathLike[str]) -> TrainConfig:
    """Read settings from a file. What is not in it has its default; ``out`` is ``""`` then.

    Args:
        path: A file of :meth:`TrainConfig.to_dict`, in JSON if its name ends with ``.json``, else in YAML; or the
            ``config.json`` of a run.

    Raises:
        SkelgraphError: If the file cannot be read, or holds no settings; the message names the file and the setting.
    """
    path = as_path(path)
    values = read_json(path, SkelgraphError) if path.suffix == ".json" else read_yaml(path, SkelgraphError)
    if isinstance(values, Mapping) and isinstance(values.get("config"), Mapping):
        values = values["config"]
    try:
        return TrainConfig.from_dict({"out": "", **values} if isinstance(values, Mapping) else values)
    except SkelgraphError as error:
        raise SkelgraphError(f"{plain(str(path), 500)}: {error}") from error
