"""Writes crops.json: torchvision's random resized crops, the pixels of given boxes and how drawn boxes are spread.

pip install torch torchvision; python make_crops.py

`bilinear` is what RandomResizedCrop makes of a patch by default, `nearest` what it makes of a mask (NEAREST_EXACT, whose
pixel centres are those of `bilinear`). The spread is of boxes that RandomResizedCrop draws by itself, as shares of the patch.
"""

import json
from pathlib import Path

import numpy as np
import torch
import torchvision
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms.functional import resized_crop

SIZE = 9
# Rows from, columns from, rows, columns.
BOXES = [[0, 0, 9, 9], [2, 1, 5, 6], [0, 3, 8, 6], [4, 4, 5, 5], [8, 0, 1, 1], [3, 7, 3, 2], [6, 0, 1, 4]]
DRAWS = 100_000


def spread(size, smallest):
    draw, patch = RandomResizedCrop(size, scale=(smallest, 1.0)), torch.zeros(1, size, size)
    boxes = np.array([draw.get_params(patch, list(draw.scale), list(draw.ratio)) for _ in range(DRAWS)])
    top, left, height, width = boxes.T.astype(float)
    values = {
        "area": height * width / size**2,
        "log_aspect": np.log(width / height),
        "whole": (height * width == size**2).astype(float),
        "middle_row": (top + height / 2) / size,
        "middle_column": (left + width / 2) / size,
    }
    moments = {name: [float(x.mean()), float(x.std())] for name, x in values.items()}
    return {"size": size, "smallest": smallest, **moments}


def main():
    torch.manual_seed(0)
    image = torch.rand(2, SIZE, SIZE, dtype=torch.float32)
    mask = torch.arange(SIZE * SIZE, dtype=torch.uint8).reshape(1, SIZE, SIZE)
    boxes = []
    for box in BOXES:
        of_image = resized_crop(image, *box, [SIZE, SIZE], antialias=True)
        of_mask = resized_crop(mask, *box, [SIZE, SIZE], interpolation=InterpolationMode.NEAREST_EXACT)
        bilinear = [round(x, 7) for x in of_image.permute(1, 2, 0).flatten().tolist()]
        boxes.append({"box": box, "bilinear": bilinear, "nearest": of_mask.flatten().tolist()})
    out = {
        "made_by": f"torchvision {torchvision.__version__}, PyTorch {torch.__version__}",
        "size": SIZE,
        # Rows, columns, bands; the mask is 0, 1, 2, ... row by row.
        "image": [round(x, 7) for x in image.permute(1, 2, 0).flatten().tolist()],
        "boxes": boxes,
        "draws": DRAWS,
        "spread": [spread(64, 0.08), spread(64, 0.5), spread(32, 0.25), spread(8, 0.9)],
    }
    (Path(__file__).parent / "crops.json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
