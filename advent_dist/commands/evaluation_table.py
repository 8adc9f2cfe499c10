"""The numbers of an evaluation as a table for a terminal."""

from __future__ import annotations

from rich.table import Table

from advent_dist.evaluation.counts import Evaluation
from advent_dist.evaluation.detection.evaluate import BoxEvaluation
from advent_dist.evaluation.labelled import Accuracy
from advent_dist.evaluation.unlabelled import Criteria


def table_of_pixels(result: Evaluation, title: str) -> Table:
    """IoU of each class and all of them, and what predictions say by themselves."""
    table = _empty(title, "no target label" if result.accuracy is None else "IoU %")
    if result.accuracy is not None:
        _add_accuracy(table, result.accuracy)
    _add_criteria(table, result.criteria)
    if result.skipped_samples:
        table.add_row("damaged samples left out", str(result.skipped_samples))
    return table


def table_of_boxes(result: BoxEvaluation, title: str) -> Table:
    """Average precision of each class and all of them; of a detector."""
    accuracy, criteria = result.accuracy, result.criteria
    table = _empty(title, "no target label" if accuracy is None else "AP %")
    if accuracy is not None:
        for name, precision in accuracy.per_class.items():
            table.add_row(name, "-" if precision != precision else f"{precision:.1f}")
        table.add_section()
        over = f"mAP over {len(accuracy.per_class)} classes, at an IoU of 0.5"
        table.add_row(over, f"{accuracy.map50:.1f}", style="bold")
        table.add_row("at 0.75", f"{accuracy.map75:.1f}")
        table.add_row("mean of 0.5 to 0.95 (COCO)", f"{accuracy.map:.1f}")
        table.add_row("at 0.5 as VOC counts", f"{accuracy.voc_ap50:.1f}")
        table.add_row("true boxes", str(accuracy.boxes))
    table.add_row("images", str(result.images))
    table.add_row("boxes found", str(result.detections))
    table.add_section()
    table.add_row("mean entropy (0..1)", f"{criteria.mean_entropy:.3f}")
    table.add_row("information maximisation (0..1)", f"{criteria.information_maximisation:.3f}")
    table.add_row("class diversity (0..1)", f"{criteria.diversity:.3f}")
    table.add_row("classes found at all", str(criteria.live_classes))
    if result.skipped_samples:
        table.add_row("damaged samples left out", str(result.skipped_samples))
    return table


def _empty(title: str, heading: str) -> Table:
    """Names on the left, numbers on the right under what they are."""
    columns = ("no target label", "") if heading == "no target label" else ("", heading)
    table = Table(*columns, title=title, title_justify="left")
    table.columns[1].justify = "right"
    return table


def _add_accuracy(table: Table, accuracy: Accuracy) -> None:
    for name, iou in accuracy.per_class.items():
        table.add_row(name, "-" if iou != iou else f"{iou:.1f}")
    table.add_section()
    over = f"mean over {len(accuracy.per_class)} classes"
    table.add_row(over, f"{accuracy.miou:.1f}", style="bold")
    for name, miou in accuracy.subsets.items():
        table.add_row(f"mean over {name} classes", f"{miou:.1f}")
    table.add_row("pixel accuracy", f"{accuracy.pixel_accuracy:.1f}")
    table.add_section()
    table.add_row("entropy at class boundaries", f"{accuracy.boundary_entropy:.3f}")
    table.add_row("entropy in interiors", f"{accuracy.interior_entropy:.3f}")
    table.add_row("AUROC of entropy for errors", f"{accuracy.error_auroc:.3f}")


def _add_criteria(table: Table, criteria: Criteria) -> None:
    table.add_row("mean entropy (0..1)", f"{criteria.mean_entropy:.3f}")
    table.add_row("information maximisation (0..1)", f"{criteria.information_maximisation:.3f}")
    table.add_row("soft neighbourhood density (nats)", f"{criteria.snd:.3f}")
    table.add_row("class diversity (0..1)", f"{criteria.diversity:.3f}")
    table.add_row("classes predicted at all", str(criteria.live_classes))
