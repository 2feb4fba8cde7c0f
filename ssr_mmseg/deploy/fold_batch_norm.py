"""Fold batch norms into the preceding convolutions of any network that `torch.export` can trace."""

import copy

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ssr_mmseg.utils.errors import UserError

CONV = torch.ops.aten.conv2d.default
BATCH_NORM = torch.ops.aten.batch_norm.default


def fold_batch_norms(model: nn.Module, images: Tensor) -> nn.Module:
    """Return a copy of `model` in eval mode with batch norms folded into the convolutions before them.

    BN(Wx + b) = (γ/σ)Wx + (γ/σ)(b − μ) + β is a convolution again. A batch norm remains if its input is not the output
    of a convolution that nothing else reads, for example after the concatenation of a reduction block.

    Args:
        model: Maps images (N, 3, H, W) to anything.
        images: An example batch; the copy accepts batches of this shape only.

    Raises:
        UserError: The network's control flow depends on values, so that it cannot be traced.
    """
    graph_module = trace(copy.deepcopy(model).eval(), images)
    for node in list(graph_module.graph.nodes):
        if node.target is not BATCH_NORM:
            continue
        convolution = node.args[0]
        if not isinstance(convolution, fx.Node) or convolution.target is not CONV or len(convolution.users) > 1:
            continue
        _fold(graph_module, convolution, node)
    graph_module.graph.eliminate_dead_code()
    graph_module.delete_all_unused_submodules()
    graph_module.recompile()
    return graph_module


def trace(model: nn.Module, images: Tensor) -> fx.GraphModule:
    """Trace the graph of ATen operators of `model` for batches of the shape of `images`.

    Raises:
        UserError: The network cannot be traced.
    """
    try:
        with torch.no_grad():
            module = torch.export.export(model, (images,), strict=False).module(check_guards=False)
    except Exception as error:  # torch raises many types
        problem = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(
            f"the network cannot be traced ({problem}); write its forward without branches on values"
        ) from error
    assert isinstance(module, fx.GraphModule)
    return module


def _fold(module: fx.GraphModule, convolution: fx.Node, norm: fx.Node) -> None:
    weight, bias = _value(module, convolution.args[1]), _value(module, _argument(convolution, 2))
    scale, shift, mean, variance = (_value(module, argument) for argument in norm.args[1:5])
    assert weight is not None
    assert mean is not None
    assert variance is not None
    epsilon = float(norm.args[7])  # type: ignore[arg-type]
    fused = fuse_conv_bn_weights(weight, bias, mean, variance, epsilon, scale, shift)
    names = [f"folded_{part}_of_{convolution.name}" for part in ("weight", "bias")]
    for name, value in zip(names, fused, strict=True):
        module.register_parameter(name, nn.Parameter(value.detach(), requires_grad=False))
    with module.graph.inserting_before(convolution):
        nodes = [module.graph.get_attr(name) for name in names]
    convolution.args = (convolution.args[0], *nodes, *convolution.args[3:])
    norm.replace_all_uses_with(convolution)
    module.graph.erase_node(norm)


def _argument(node: fx.Node, position: int) -> object:
    return node.args[position] if len(node.args) > position else None


def _value(module: fx.GraphModule, node: object) -> Tensor | None:
    """Return the parameter or buffer that a `get_attr` node reads."""
    if node is None:
        return None
    assert isinstance(node, fx.Node)
    assert node.op == "get_attr", node.op
    value: object = module
    for part in str(node.target).split("."):
        value = getattr(value, part)
    assert isinstance(value, Tensor)
    return value
