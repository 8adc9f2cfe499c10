"""Train ids of Cityscapes, in the order of `advent_dist.data.class_sets.CITYSCAPES_19`."""

from __future__ import annotations

ROAD, SIDEWALK, BUILDING, WALL, FENCE, POLE, TRAFFIC_LIGHT, TRAFFIC_SIGN = range(8)
VEGETATION, TERRAIN, SKY, PERSON, RIDER = range(8, 13)
CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE = range(13, 19)
VOID = 255
