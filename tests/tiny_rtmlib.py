"""Tiny networks of known answers for the detector rtmlib, and a double of rtmlib that runs them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np

BOXES = [[4.0, 6.0, 16.0, 22.0], [20.0, 8.0, 32.0, 24.0]]
"""Where the network sees people in pictures of its own size, 3 : 4 as the other network's."""


def network(path: Path, size: tuple[int, int], outputs: dict[str, np.ndarray], channel: int, pixel: tuple) -> Path:
    """A network whose answers are constants times how bright a channel is; ``pixel`` brings it back to 0 to 1."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    factor, offset = pixel
    nodes = [
        helper.make_node("ReduceMean", ["x", "space"], ["channels"], keepdims=0),
        helper.make_node("Gather", ["channels", "channel"], ["mean"], axis=1),
        helper.make_node("Mul", ["mean", "factor"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["bright"]),
    ]
    constants = {"space": np.array([2, 3]), "channel": np.array(channel)}
    constants |= {"factor": np.array(factor, np.float32), "offset": np.array(offset, np.float32)}
    infos = []
    for name, value in outputs.items():
        where = np.zeros(value.shape, np.float32)  # what the brightness is for: all, or the score in the last column
        where[..., slice(None) if name != "boxes" else -1] = 1
        constants |= {
            f"{name}_on": (value * where).astype(np.float32),
            f"{name}_off": (value * (1 - where)).astype("f"),
        }
        nodes += [
            helper.make_node("Mul", [f"{name}_on", "bright"], [f"{name}_seen"]),
            helper.make_node("Add", [f"{name}_seen", f"{name}_off"], [name]),
        ]
        infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, *size))
    initial = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", [given], infos, initial)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def people_file(path: Path) -> Path:
    """Sees two people where the first channel is bright: blue, for YOLOX takes BGR."""
    boxes = np.array([[[*box, 1.0] for box in BOXES]])
    return network(path, (32, 40), {"boxes": boxes}, 0, (1 / 255, 0))


def joints_file(folder: Path, count: int = 17) -> Path:
    """Sees joint ``j`` at ``(j, 2 j)`` quarters of pixels of its input, as sure as the third channel is bright: blue,
    for RTMPose takes RGB."""
    x, y = np.zeros((1, count, 2 * 192)), np.zeros((1, count, 2 * 256))
    x[0, range(count), np.arange(count)] = 1
    y[0, range(count), 2 * np.arange(count)] = 1
    return network(folder / f"joints{count}.onnx", (256, 192), {"x_of": x, "y_of": y}, 2, (57.375 / 255, 103.53 / 255))


class Double(ModuleType):
    """rtmlib 0.0.16 as its documentation calls it, with these networks' answers.

    Args:
        det: The file that it takes for its own network of people.
        pose: And of their joints.
        dark: As blue as pictures are in which it sees nobody, 0 to 255.
    """

    def __init__(self, det: str = "D", pose: str = "P", dark: float = 128) -> None:
        super().__init__("rtmlib")
        self.loaded: list[tuple] = []

        class Body:
            MODE = {  # noqa: RUF012
                "balanced": {"det": det, "det_input_size": (640, 640), "pose": pose, "pose_input_size": (192, 256)}
            }

        class Tool:
            def __init__(tool, onnx_model, model_input_size, backend, device):  # noqa: N805
                self.loaded.append((onnx_model, model_input_size, backend, device))
                if not Path(onnx_model).exists():
                    raise OSError("no network")
                tool.model_input_size = model_input_size
                import onnxruntime as ort

                tool.session = ort.InferenceSession(onnx_model)

        class YOLOX(Tool):
            def __call__(tool, image):  # noqa: N805
                ratio = min(tool.model_input_size[0] / image.shape[0], tool.model_input_size[1] / image.shape[1])
                found = np.array(BOXES) / ratio if image[..., 0].mean() > dark else np.array([])
                return found.reshape(-1, 4) if len(found) else found

        class RTMPose(Tool):
            def __call__(tool, image, bboxes=()):  # noqa: N805
                count = tool.session.get_outputs()[0].shape[1]
                bboxes = np.array(bboxes if len(bboxes) else [[0, 0, image.shape[1], image.shape[0]]], float)
                scale = 1.25 * (bboxes[:, 2:] - bboxes[:, :2])
                corner = (bboxes[:, 2:] + bboxes[:, :2] - scale) / 2
                steps = np.stack([np.arange(count), 2 * np.arange(count)], -1) / 2 / tool.model_input_size
                scores = np.full((len(bboxes), count), image[..., 2].mean() / 255)
                return corner[:, None] + steps * scale[:, None], scores

        self.Body, self.YOLOX, self.RTMPose = Body, YOLOX, RTMPose
