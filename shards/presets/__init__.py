"""Published data sets that are folders of images and labels: each is a layout and a class file."""

from shards.presets.aerial import LoveDA, Potsdam, Vaihingen
from shards.presets.india import IDD, IDDLite
from shards.presets.preset import Preset
from shards.presets.streets import ACDC, BDD100K, KITTI, DarkZurich, UrbanSyn, Vistas
from shards.presets.weather import FoggyCityscapes, RainyCityscapes

PRESETS: tuple[type[Preset], ...] = (
    BDD100K,
    Vistas,
    ACDC,
    DarkZurich,
    KITTI,
    UrbanSyn,
    IDD,
    IDDLite,
    FoggyCityscapes,
    RainyCityscapes,
    LoveDA,
    Potsdam,
    Vaihingen,
)

__all__ = ["PRESETS", "Preset"]
