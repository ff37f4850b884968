"""Models for inference only: folded and compiled."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Literal

import torch
import torch._inductor
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.models.bfloat16 import has_bfloat16, products_in_bfloat16
from skelgraph.models.fold import fold_constants, inference_copy, trace
from skelgraph.models.lifter import PoseLifter
from skelgraph.options import checked
from skelgraph.text import plain


@checked
def optimize(
    model: PoseLifter,
    compile: bool = True,  # noqa: A002 - what torch calls it
    precision: Literal["bf16"] | None = None,
) -> OptimizedLifter:
    r"""Make a copy of a model for inference: faster, with the same outputs but for rounding.

    Dropout is off. Everything that does not depend on the input becomes a constant: learned and fixed adjacency
    matrices, and batch normalisation, which is folded into the weights in front of it. The rest is compiled to machine
    code ahead of time (`AOTInductor <https://docs.pytorch.org/docs/stable/torch.compiler_aot_inductor.html>`_).

    Args:
        model: Any model; it is left as it is.
        compile: Compile, which takes 10 to 40 s and needs a C++ compiler. Without, the model is only folded, in 2 to 5
            s; that speeds up one pose at a time, and the result can be pickled.
        precision: ``"bf16"``: matrix products of 16 and more terms and channels take their operands in bfloat16 and sum
            in float32, about twice as fast in batches on processors with AVX512-BF16 or AMX; ``None``: that of the
            model. Input, output and all else keep that of the model. What it costs in millimetres stands in
            ``docs/benchmarks/bf16.md``. A device without instructions for it is warned of, and the model's own
            precision taken.

    Returns:
        A module that is called like the model. One compilation serves all batch sizes. It runs on the device and takes
        the precision that the model has now, and its elementwise parts with as many threads as
        :func:`torch.get_num_threads` gives now. Gradients do not flow through it, later changes of the model do not
        reach it, and a compiled one cannot be pickled or copied: make it in every process.

    Raises:
        SkelgraphError: If the model is on ``meta``, or cannot be compiled, above all without a C++ compiler.

    Example:
        >>> from skelgraph import create_model
        >>> fast = optimize(create_model("sem_gcn"), compile=False)
        >>> fast(torch.randn(1, 17, 2)).shape
        torch.Size([1, 17, 3])
    """
    model = inference_copy(model)
    parameter = next(model.parameters())
    shape = (2, model.num_frames, model.skeleton.num_joints, model.in_channels)
    example = torch.zeros(shape, dtype=parameter.dtype, device=parameter.device)
    folded = fold_constants(trace(model, example).module())
    if precision == "bf16" and not has_bfloat16(parameter.device):
        message = f"{parameter.device} has no instructions for bfloat16, which would be slower; the model stays in "
        warnings.warn(f"{message}{parameter.dtype}", stacklevel=3)
        precision = None
    if precision == "bf16":
        graph = trace(folded, example).module()
        products_in_bfloat16(graph)
        folded = fold_constants(graph)
    if not compile:
        return OptimizedLifter(model, folded)
    program = trace(folded, example)
    # weights in the order that bfloat16 instructions read them; float32 gains nothing from it in single poses
    settings = {"freezing": precision == "bf16"}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch about itself
        try:
            run = torch._inductor.aoti_load_package(
                torch._inductor.aoti_compile_and_package(program, inductor_configs=settings)
            )
        except (RuntimeError, OSError) as error:
            reason = plain(str(error).strip().partition("\n")[0] or type(error).__name__, 300)
            raise SkelgraphError(
                f"the model could not be compiled: {reason}; expected a working C++ compiler, named by the environment "
                "variable CXX if it is not on the PATH, or optimize(model, compile=False), which needs none"
            ) from error
    return OptimizedLifter(model, run)


class OptimizedLifter(PoseLifter):
    """What :func:`optimize` makes of a model.

    Shapes:
        - input ``(B, J, 2)`` or ``(B, T, J, 2)``, output ``(B, J, 3)``

    Raises:
        SkelgraphError: If the input has another shape, precision or device.
    """

    def __init__(self, model: PoseLifter, run: Callable[[Tensor], Tensor]) -> None:
        super().__init__(model.skeleton, model.in_channels, model.out_channels, model.num_frames)
        self.config |= {"input": model.input_form, "frame_rate": model.frame_rate}
        parameter = next(model.parameters())
        self.dtype, self.device = parameter.dtype, parameter.device
        self.run = run
        self.eval()

    @torch.no_grad()
    def lift(self, clip: Tensor) -> Tensor:
        """Lift ``(B, num_frames, J, 2)`` to ``(B, J, 3)``."""
        if clip.dtype != self.dtype or clip.device != self.device:  # compiled code would read wrong memory
            raise SkelgraphError(
                f"the model was optimized for {self.dtype} on {self.device}, got keypoints of {clip.dtype} on "
                f"{clip.device}"
            )
        if len(clip) == 0:
            return clip.new_empty(0, self.skeleton.num_joints, self.out_channels)
        return self.run(clip.contiguous())

    def extra_repr(self) -> str:
        """Skeleton, precision and device."""
        return f"{plain(self.skeleton.name or self.skeleton.num_joints)}, {self.dtype}, {self.device}"
