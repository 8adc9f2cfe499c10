"""Segment a photo: python predict_torch.py PHOTO MASK.png (torch, pillow, numpy)."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

here = Path(__file__).parent
size = json.loads((here / "config.json").read_text())["input"]["size"]
classes = json.loads((here / "classes.json").read_text())["classes"]
file = Image.open(sys.argv[1], formats=["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
photo = ImageOps.exif_transpose(file).convert("RGB")
pixels = np.asarray(photo.resize(size, Image.Resampling.BICUBIC), np.float32)
network = torch.export.load(here / "model.pt2").module()
logits = network(torch.from_numpy(pixels).permute(2, 0, 1)[None])[0].detach().numpy()
planes = [np.asarray(Image.fromarray(one).resize(photo.size, 2)) for one in logits]  # bilinear
mask = Image.fromarray(np.stack(planes).argmax(0).astype(np.uint8))  # train ids
mask.putpalette([level for one in classes for level in one["colour"]])  # and their colours
mask.save(sys.argv[2])
