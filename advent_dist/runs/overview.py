"""What many predictions come to: numbers, and a page of the images that are most uncertain."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from PIL import Image

from advent_dist.data.classes import ClassSet
from advent_dist.data.store import Folder
from advent_dist.errors import DataError
from advent_dist.json_text import json_object
from advent_dist.report.page import Page, pictures, render
from advent_dist.runs.images import Images
from advent_dist.runs.prediction import Results
from advent_dist.runs.seen import Seen

SUMMARY, PAGE = "predictions.json", "uncertain.html"
"""Where they lie, among the results."""

_MADE_BY = "advent-dist predict"
"""In the summary: it is ours, and may be replaced."""

_SHOWN = 24
"""Images on the page."""


def write_overview(
    images: Images, seen: Mapping[str, Seen], out: Folder, results: Results, classes: ClassSet
) -> dict[str, Any]:
    """Write `predictions.json` and `uncertain.html`; what the first says.

    Args:
        images: what was predicted.
        seen: of each image what was seen in it; one or more.
        out: where they go.
        results: what was written of each image.
        classes: names.
    """
    uncertain = sorted(seen, key=lambda name: (-seen[name].entropy, name))
    found: Counter[int] = Counter()
    for one in seen.values():
        found.update(one.found)
    total = found.total()
    summary = {
        "made_by": _MADE_BY,
        "images": len(seen),
        "mean_entropy": sum(one.entropy for one in seen.values()) / len(seen),
        "classes": {
            name: found[train_id] / total
            for train_id, name in enumerate(classes.names)
            if found[train_id]
        },
        "entropies": {name: seen[name].entropy for name in uncertain},
    }
    out.write(SUMMARY, json.dumps(summary, indent=1).encode())
    shown = uncertain[:_SHOWN]
    # Read in their own order, in which a block of shards is read once.
    in_order = sorted(shown, key=list(images.stamps).index)
    panels = {
        name: results.panel(name, _there(image), seen[name])
        for name, image in zip(in_order, images.each(in_order), strict=True)
    }
    page = Page(
        title=f"The most uncertain of {len(seen)} images",
        notes=["To label these teaches most of what is not known yet."],
        sections=[pictures([panels[name] for name in shown])],
    )
    out.write(PAGE, render(page).encode())
    return summary


def require_ours(out: Folder) -> None:
    """Refuse to replace a summary or a page of somebody else's.

    Raises:
        DataError: one lies where ours will.
    """
    there = {SUMMARY, PAGE} & set(out.list())
    if not there:
        return
    with suppress(DataError):
        if json_object(out.read(SUMMARY), SUMMARY).get("made_by") == _MADE_BY:
            return
    raise DataError(
        f"--out {out.url}: {', '.join(sorted(there))} there is of no predict of advent-dist, and "
        "would be replaced; give another folder"
    )


def _there(image: Image.Image | DataError) -> Image.Image:
    if isinstance(image, DataError):
        raise image
    return image
