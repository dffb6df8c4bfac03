"""Draws a scene of `lcz synth FOLDER --scene-size ROWSxCOLUMNS` in true colour, next to its zones and scene classes.

    python figures/synthetic_scene.py FOLDER OUT.png        (needs rasterio, numpy, pillow)
"""

import sys

import numpy as np
import rasterio
from PIL import Image

ZONES = (
    "000000 910613 D9081C FF0A22 C54F1E FF6628 FF985E FDED3F BBBBBB FFCBAB 565656 006A18 00A926 628432 B5DA7F"
    " 000000 FCF7B1 656BFA"
)
# Cloud shadow, vegetation, bare or built, water, medium and high cloud, thin cloud.
CLASSES = {3: "6B4A2B", 4: "3C9A3C", 5: "F0DC8C", 6: "3450C8", 8: "B4B4B4", 9: "F0F0F0", 10: "8CC8F0"}


def colours(codes):
    return np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in codes], "u1")


def main(folder, out):
    band = lambda name: rasterio.open(f"{folder}/{name}.tif").read(1)
    seen = np.stack([band(name) / 10000 for name in ("B4", "B3", "B2")], -1)
    # From the haze of each band to bright ground; a gamma for the eye.
    low, high = np.array([0.02, 0.045, 0.07]), np.array([0.24, 0.23, 0.23])
    seen = (255 * np.clip((seen - low) / (high - low), 0, 1) ** 0.75).astype("u1")
    zones = colours(ZONES.split())[band("LCZ")]
    palette = colours([CLASSES.get(code, "000000") for code in range(12)])
    classes = palette[band("SCL")].repeat(2, 0).repeat(2, 1)
    gap = np.full((len(seen), 8, 3), 255, "u1")
    Image.fromarray(np.concatenate([seen, gap, zones, gap, classes], 1)).save(out, optimize=True)


main(*sys.argv[1:])
