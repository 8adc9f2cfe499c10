"""What a file's tensors became in a network, and what they did not, as a table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TakenPart:
    """A part of the network."""

    part: str
    """Such as encoder."""

    taken: int
    """Tensors that came from the file."""

    wanted: int
    """Tensors that the part has."""

    said: str
    """Where they came from, or why they did not."""


@dataclass(frozen=True, kw_only=True)
class LeftOver:
    """Tensors of the file that have no place in the network."""

    origin: str
    """What their names begin with."""

    count: int
    """How many they are."""

    why: str
    """Why they were not taken."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A file, taken as initial weights."""

    file: str
    """Its path."""

    layout: str
    """Whose names of tensors it has."""

    parts: tuple[TakenPart, ...]
    """All parts of the network."""

    left_over: tuple[LeftOver, ...]
    """The rest of the file."""

    network: str = "segmenter"
    """What the network is."""

    @property
    def is_whole(self) -> bool:
        """Whether all of the file became all of the network."""
        return not self.left_over and all(part.taken == part.wanted for part in self.parts)

    def table(self) -> str:
        """A line for the file, for each part of the network, and for each rest of the file."""
        parts = [(one.part, f"{one.taken} of {one.wanted} tensors", one.said) for one in self.parts]
        rests = [(f"{one.origin}*", f"0 of {one.count} tensors", one.why) for one in self.left_over]
        rows = [
            (f"of the {self.network}", "taken", "from"),
            *parts,
            *([("of the file, left", "taken", "because"), *rests] if rests else []),
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        lines = [f"  {a:{widths[0]}}  {b:{widths[1]}}  {c}" for a, b, c in rows]
        return "\n".join([f"{self.file}: {self.layout}", *lines])
