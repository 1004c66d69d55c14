"""The network that is trained: a once-for-all ResNet whose forward pass cuts itself to a subnet.

Every layer holds the supernet's weights and uses the first channels of them, as many as a subnet
asks for. Names in the state are the published ones, so that `edgert.families.ofa_checkpoint` reads
what is trained here. Needs torch.
"""

from typing import Any

from torch import nn
from torch.nn import functional

from edgert.families.ofa_space import Block, Space, Subnet

_COLORS = 3
_MOMENTUM = 0.1  # of running statistics
_EPSILON = 1e-5


class ElasticLinear(nn.Module):  # type: ignore[misc]
    """A classifier that reads as many channels as there are."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Module()
        self.linear.linear = nn.Linear(inputs, outputs)

    def forward(self, x: Any) -> Any:
        """(N, at most inputs) to (N, outputs)."""
        whole = self.linear.linear
        return functional.linear(x, whole.weight[:, : x.shape[1]], whole.bias)


class ElasticConv(nn.Module):  # type: ignore[misc]
    """Convolution and batch normalisation of the first channels."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv, self.bn = nn.Module(), nn.Module()
        self.conv.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn.bn = nn.BatchNorm2d(outputs, eps=_EPSILON, momentum=_MOMENTUM)
        nn.init.kaiming_normal_(self.conv.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Any, outputs: int) -> Any:
        """(N, at most inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        conv, bn = self.conv.conv, self.bn.bn
        weight = conv.weight[:outputs, : x.shape[1]]
        x = functional.conv2d(x, weight, stride=conv.stride, padding=conv.padding)
        return functional.batch_norm(
            x,
            bn.running_mean[:outputs],
            bn.running_var[:outputs],
            bn.weight[:outputs],
            bn.bias[:outputs],
            training=self.training,
            momentum=bn.momentum,
            eps=bn.eps,
        )


class _StemResidual(nn.Module):  # type: ignore[misc]
    """The stem's residual convolution; it lies one name deeper than other layers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = ElasticConv(channels, channels, 3)


class ElasticBlock(nn.Module):  # type: ignore[misc]
    """A bottleneck block; the first one of a stage has a projection on its shortcut."""

    def __init__(
        self, inputs: int, inside: int, outside: int, stride: int, *, first: bool
    ) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = ElasticConv(inputs, inside, 1)
        self.conv2 = ElasticConv(inside, inside, 3, stride)
        self.conv3 = ElasticConv(inside, outside, 1)
        self.downsample = ElasticConv(inputs, outside, 1) if first else None
        nn.init.zeros_(self.conv3.bn.bn.weight)  # a new block begins as its shortcut

    def forward(self, x: Any, block: Block) -> Any:
        """(N, C, H, W) to (N, block.outside, H / stride, W / stride)."""
        branch = functional.relu(self.conv1(x, block.inside))
        branch = functional.relu(self.conv2(branch, block.inside))
        branch = self.conv3(branch, block.outside)
        if self.downsample is not None:
            if self.stride > 1:
                x = functional.avg_pool2d(x, self.stride, self.stride, ceil_mode=True)
            x = self.downsample(x, block.outside)
        return functional.relu(x + branch)


class Supernet(nn.Module):  # type: ignore[misc]
    """All subnets of a space in one set of weights.

    Args:
        space: What subnets there are.

    Source:
        Cai et al., "Once-for-All", ICLR 2020, arXiv 1908.09791 (structure and names as
        published). Differs: nothing is sorted by importance, since all widths are trained from
        the beginning.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space
        middle, end = space.stem_widths()
        self.input_stem = nn.ModuleList(
            [
                ElasticConv(_COLORS, middle, 3, 2),
                _StemResidual(middle),
                ElasticConv(middle, end, 3),
            ]
        )
        self.blocks = nn.ModuleList()
        inputs = end
        for block in space.kept_blocks(space.largest()):
            first = block.position == 0
            stride = space.strides[block.stage] if first else 1
            self.blocks.append(
                ElasticBlock(inputs, block.inside, block.outside, stride, first=first)
            )
            inputs = block.outside
        self.classifier = ElasticLinear(inputs, space.classes)

    def forward(self, x: Any, subnet: Subnet) -> Any:
        """Logits of a subnet, (N, classes), for pictures (N, 3, H, W) of any size.

        Pictures are brought to the subnet's size first, as the edit `resize_input` does.
        """
        size = subnet.image_size
        if x.shape[-1] != size:
            x = functional.interpolate(x, (size, size), mode="bilinear", align_corners=False)
        middle, end = self.space.stem_widths(*subnet.width[:2])
        first, residual, last = self.input_stem
        x = functional.relu(first(x, middle))
        if self.space.keeps_stem_residual(subnet):
            x = x + functional.relu(residual.conv(x, middle))
        x = functional.relu(last(x, end))
        x = functional.max_pool2d(x, 3, 2, 1)
        for block in self.space.kept_blocks(subnet):
            x = self.blocks[block.index](x, block)
        return self.classifier(x.mean(dim=(2, 3)))
