"""Classify photographs with a file of `coldframe export`: python serve_onnx.py model.onnx photo.jpg ..."""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1])
about = {name: json.loads(session.get_modelmeta().custom_metadata_map[name]) for name in ("classes", "preprocess")}
how, side = about["preprocess"], about["preprocess"]["size"]
for path in sys.argv[2:]:
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    whole = [int(how["resize"] * length / min(image.size)) for length in image.size]
    image = image.resize([side, side] if how["mode"] == "squash" else whole, Image.Resampling[how["interpolation"].upper()])
    left, top = (round((length - side) / 2) for length in image.size)
    pixels = np.asarray(image.crop((left, top, left + side, top + side)))[None]  # uint8 [1, S, S, 3]
    if session.get_inputs()[0].type == "tensor(float)":
        pixels = pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255
    (probabilities,) = session.run(None, {"pixels": pixels})[0]
    print(json.dumps({"file": path, "probabilities": dict(zip(about["classes"], probabilities.tolist(), strict=True))}))
