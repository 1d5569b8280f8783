"""What a frozen model sees, as arrays: feature maps, token norms, attention, filters, and where two models differ."""

from coldframe.inspection.attending import Attention, attention
from coldframe.inspection.differing import Disagreements, disagreements
from coldframe.inspection.filters import first_convolution, rgb, sheet
from coldframe.inspection.layers import look, spatial_layers
from coldframe.inspection.maps import LayerMaps, feature_maps, token_norms

__all__ = [
    "Attention",
    "Disagreements",
    "LayerMaps",
    "attention",
    "disagreements",
    "feature_maps",
    "first_convolution",
    "look",
    "rgb",
    "sheet",
    "spatial_layers",
    "token_norms",
]
