"""Readers of data sets of boxes, a file each: COCO, Pascal VOC, YOLO and Cityscapes."""

from __future__ import annotations

from shards.boxes.cityscapes import CityscapesBoxes
from shards.boxes.coco import Coco
from shards.boxes.voc import Voc
from shards.boxes.yolo import Yolo

BOX_READERS = (Coco, Voc, Yolo, CityscapesBoxes)
