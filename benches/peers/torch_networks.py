"""The networks in PyTorch, with Keras's batch norm (epsilon 1e-3); each gives logits for 17 classes."""

import torch
import torch.nn.functional as F
from torch import nn

from stages import STAGES


def norm(channels, momentum):
    """Keras's momentum is the share that stays, PyTorch's the share that goes."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=1 - momentum)


class Sen2Lcz(nn.Module):
    def __init__(self, classes=17, depth=17, width=16, dropout=0.2, fusion="logits", momentum=0.99):
        super().__init__()
        self.blocks, self.heads = nn.ModuleList(), nn.ModuleList()
        self.dropout, self.fusion = nn.Dropout(dropout), fusion
        inputs = 10
        for block in range(4):
            outputs, layers = width << block, []
            for _ in range((depth - 1) // 4):
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), norm(outputs, momentum), nn.ReLU(inplace=True)]
                inputs = outputs
            self.blocks.append(nn.Sequential(*layers))
            inputs = 2 * outputs if block < 3 else outputs
            self.heads.append(nn.Linear(inputs, classes))
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, x):
        heads = []
        for block, (layers, head) in enumerate(zip(self.blocks, self.heads)):
            x = layers(x)
            if block < 3:
                x = torch.cat([F.max_pool2d(x, 2), F.avg_pool2d(x, 2)], 1)
            if block in (1, 2):
                x = self.dropout(x)
            heads.append(head(x.mean((2, 3))))
        if self.fusion == "logits":
            return sum(heads) / 4
        # ln of the mean of the softmaxes.
        return torch.logsumexp(torch.stack([F.log_softmax(head, 1) for head in heads]), 0) - 1.3862943611198906


def convolution(inputs, outputs, kernel, stride, padding, momentum, relu=True):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, padding), norm(outputs, momentum)]
    return layers + [nn.ReLU(inplace=True)] if relu else layers


class Bottleneck(nn.Module):
    def __init__(self, inputs, filters, stride, projected, momentum):
        super().__init__()
        narrow, middle, wide = filters
        self.body = nn.Sequential(
            *convolution(inputs, narrow, 1, stride, 0, momentum),
            *convolution(narrow, middle, 3, 1, 1, momentum),
            *convolution(middle, wide, 1, 1, 0, momentum, relu=False),
        )
        projection = convolution(inputs, wide, 1, stride, 0, momentum, relu=False)
        self.shortcut = nn.Sequential(*projection) if projected else nn.Identity()

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def resnet50(classes=17, momentum=0.99):
    layers = [*convolution(10, 64, 7, 2, 3, momentum), nn.MaxPool2d(3, 2)]
    inputs = 64
    for first, others, count, stride in STAGES:
        layers.append(Bottleneck(inputs, first, stride, True, momentum))
        inputs = first[2]
        layers += [Bottleneck(inputs, others, 1, False, momentum) for _ in range(count - 1)]
    network = nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(2048, classes))
    return glorot(network)


def mlp(classes=17):
    layers = [nn.Flatten(), nn.Linear(10240, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, classes)]
    return glorot(nn.Sequential(*layers))


def glorot(network):
    """Starts as Keras does by default."""
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return network


BUILD = {"sen2lcz": Sen2Lcz, "resnet50": resnet50, "mlp": mlp}
