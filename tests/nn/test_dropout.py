import pytest
import torch
from torch import nn

from skelgraph.nn import Dropout


@pytest.mark.parametrize("p", [0.05, 0.2, 0.5, 0.9])
def test_the_rate_and_the_mean_are_as_asked(p):
    torch.manual_seed(0)
    y = Dropout(p)(torch.ones(1_000_003, dtype=torch.float64))
    assert float((y == 0).double().mean()) == pytest.approx(p, abs=3e-3)
    assert float(y.mean()) == pytest.approx(1, abs=1e-2)
    values = y.unique().tolist()
    assert len(values) == 2
    assert values[1] == pytest.approx(1 / (1 - p), rel=1e-4)


def test_every_number_is_dropped_for_itself():
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(4, 200_000)) != 0).double()
    # one integer decides about four numbers: two neighbours in either half
    for a, b in ((kept[:, :-1], kept[:, 1:]), (kept[:, :-4], kept[:, 4:]), (kept[:-1], kept[1:]), (kept[:2], kept[2:])):
        assert float((a * b).mean()) == pytest.approx(0.25, abs=5e-3)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_gradient_is_that_of_the_same_mask(compiled):
    layer = Dropout(0.3)
    run = torch.compile(layer, fullgraph=True, options={"fallback_random": True}) if compiled else layer
    x = torch.randn(7, 13, requires_grad=True)
    torch.manual_seed(4)
    y = run(x)
    y.sum().backward()
    torch.manual_seed(4)
    torch.testing.assert_close(y, layer(x))
    torch.testing.assert_close(x.grad, torch.where(y == 0, 0, 1 / 0.7), rtol=1e-4, atol=0)


def test_seed_evaluation_and_the_ends_of_the_range():
    x = torch.randn(3, 5, 2)
    layer = Dropout(0.4)
    torch.manual_seed(1)
    y = layer(x)
    torch.manual_seed(1)
    assert torch.equal(layer(x), y)
    assert layer.eval()(x) is x
    assert torch.equal(Dropout(0.0)(x), x)
    assert torch.equal(Dropout(1.0)(x), torch.zeros_like(x))
    assert layer.train()(x[:0]).shape == (0, 5, 2)
    with pytest.raises(ValueError, match=r"p is 1\.5; expected a number from 0 to 1"):
        Dropout(1.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_precision_and_layout_of_memory_are_kept(dtype):
    x = torch.randn(4, 6, 8, dtype=dtype).transpose(1, 2)
    y = Dropout(0.5)(x)
    assert (y.dtype, y.shape, y.stride()) == (x.dtype, x.shape, x.stride())


def test_it_takes_the_place_of_torch_dropout():
    assert isinstance(Dropout(0.1), nn.Dropout)
    assert repr(Dropout(0.1)) == "Dropout(p=0.1, inplace=False)"
