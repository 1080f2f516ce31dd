"""Trains the network of a recipe in plain PyTorch: the peer of `host-trainer measure-training`.

usage: train.py JSON

JSON is the object which that command prints. Prints one of the same fields: the median of
images_per_s over blocks of steps, device, threads, parameters of the backbone, peak_memory_mb (of
this process, in 10^6 bytes) and the losses of the first steps.
"""

import json
import resource
import statistics
import sys
import time

import numpy
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

BLOCK = 2  # steps that are timed together, as in host-trainer/src/train/speed.rs
WORKERS = 1  # on two cores as fast as 2, and both faster than 0


class Crops(Dataset):
    """Aligned crops, each mirrored with probability one half, and whose they are."""

    def __init__(self, asked):
        shape = (asked["images"], asked["height"], asked["width"], 3)
        self.pixels = numpy.memmap(asked["crops"], numpy.uint8, "r", shape=shape)
        self.pictures = asked["images"] // asked["people"]

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, index):
        crop = self.pixels[index]
        if torch.rand(()) < 0.5:
            crop = crop[:, ::-1]
        return torch.from_numpy(crop.copy()), index // self.pictures


class ConvNorm(nn.Sequential):
    def __init__(self, before, after, kernel, stride=1, padding=0, groups=1, slopes=None):
        conv = nn.Conv2d(before, after, kernel, stride, padding, groups=groups, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        activation = [nn.PReLU(slopes)] if slopes else []
        super().__init__(conv, nn.BatchNorm2d(after), *activation)


class Bottleneck(nn.Sequential):
    def __init__(self, before, after, expansion, stride, slopes):
        wide = before * expansion
        super().__init__(
            ConvNorm(before, wide, 1, slopes=slopes(wide)),
            ConvNorm(wide, wide, 3, stride, 1, groups=wide, slopes=slopes(wide)),
            ConvNorm(wide, after, 1),
        )
        self.residual = stride == 1 and before == after

    def forward(self, images):
        return images + super().forward(images) if self.residual else super().forward(images)


def mobilefacenet(width, embedding_len, activation, **_):
    """Chen et al. 2018, arXiv:1804.07573."""

    def scaled(channels):
        return max(8, round(channels * width / 8) * 8)

    def slopes(channels):
        return {"prelu": channels, "shared-prelu": 1}[activation]

    stem = scaled(64)
    layers = [
        ConvNorm(3, stem, 3, 2, 1, slopes=slopes(stem)),
        ConvNorm(stem, stem, 3, 1, 1, groups=stem, slopes=slopes(stem)),
    ]
    before = stem
    table = [(2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1)]
    for expansion, after, count, stride in table:
        for block in range(count):
            stride = stride if block == 0 else 1
            layers.append(Bottleneck(before, scaled(after), expansion, stride, slopes))
            before = scaled(after)
    wide = scaled(512)
    return nn.Sequential(
        *layers,
        ConvNorm(before, wide, 1, slopes=slopes(wide)),
        ConvNorm(wide, wide, 7, groups=wide),
        ConvNorm(wide, embedding_len, 1),
        nn.Flatten(),
    )


class Residual(nn.Sequential):
    def __init__(self, channels):
        convs = [nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2)]
        for conv in convs:
            nn.init.normal_(conv.weight, std=0.01)
        super().__init__(convs[0], nn.PReLU(channels), convs[1], nn.PReLU(channels))

    def forward(self, images):
        return images + super().forward(images)


def sphereface20(**_):
    """Liu et al. 2017, arXiv:1704.08063; 112x96 input."""
    layers = []
    before = 3
    for channels, blocks in [(64, 1), (128, 2), (256, 4), (512, 1)]:
        conv = nn.Conv2d(before, channels, 3, stride=2, padding=1)
        nn.init.xavier_uniform_(conv.weight)
        nn.init.zeros_(conv.bias)
        layers += [conv, nn.PReLU(channels), *(Residual(channels) for _ in range(blocks))]
        before = channels
    linear = nn.Linear(before * 7 * 6, 512)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(*layers, nn.Flatten(), linear)


class AmSoftmax(nn.Module):
    """Wang et al. 2018, arXiv:1801.05599."""

    def __init__(self, embedding_len, people, scale, margin, **_):
        super().__init__()
        self.scale, self.margin = scale, margin
        self.weight = nn.Parameter(torch.randn(people, embedding_len) * 0.01)

    def forward(self, embeddings, labels):
        cosine = functional.linear(
            functional.normalize(embeddings), functional.normalize(self.weight)
        )
        margin = self.margin * functional.one_hot(labels, len(self.weight))
        return functional.cross_entropy(self.scale * (cosine - margin), labels)


def optimizer(modules, config):
    weights = [weight for module in modules for weight in module.parameters()]
    groups = [
        {"params": [w for w in weights if w.dim() > 1], "weight_decay": config["weight_decay"]},
        {"params": [w for w in weights if w.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=config["learning_rate"], momentum=config["momentum"])


def endless(loader):
    while True:
        yield from loader


def train(asked, device):
    """Losses of all steps, and images a second of each block after the warm-up."""
    recipe = asked["recipe"]
    networks = {"mobilefacenet": mobilefacenet, "sphereface20": sphereface20}
    backbone = networks[recipe["backbone"]["name"]](**recipe["backbone"])
    backbone = backbone.to(device, memory_format=torch.channels_last)
    embedding_len = recipe["backbone"].get("embedding_len", 512)
    head = AmSoftmax(embedding_len, asked["people"], **recipe["loss"]).to(device)
    sgd = optimizer([backbone, head], recipe["optimizer"])
    mean, std = (
        torch.tensor(recipe["input"][name], device=device).view(1, 3, 1, 1)
        for name in ("mean", "std")
    )
    batch_size = recipe["training"]["batch_size"]
    loader = DataLoader(
        Crops(asked),
        batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=WORKERS,
        pin_memory=device.type == "cuda",
        persistent_workers=True,
    )
    bf16 = recipe["training"]["precision"] == "bf16"
    losses, times = [], []
    for crops, labels in endless(loader):
        images = crops.to(device, non_blocking=True).permute(0, 3, 1, 2).float()
        images = ((images - mean) / std).contiguous(memory_format=torch.channels_last)
        labels = labels.to(device, non_blocking=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            embeddings = backbone(images)
        loss = head(embeddings.float(), labels)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        losses.append(loss.item())
        times.append(time.perf_counter())
        if len(losses) == asked["steps"]:
            break
    ends = times[asked["warm_up"] - 1 :: BLOCK]
    rates = [BLOCK * batch_size / (end - start) for start, end in zip(ends, ends[1:])]
    return losses, rates, sum(weight.numel() for weight in backbone.parameters())


def main(asked):
    torch.manual_seed(asked["recipe"]["seed"])
    torch.set_num_threads(asked["threads"])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    losses, rates, parameters = train(asked, device)
    result = {
        "peer": f"PyTorch {torch.__version__}",
        "images_per_s": statistics.median(rates),
        "device": str(device),
        "threads": torch.get_num_threads(),
        "parameters": parameters,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        "losses": losses[:8],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
