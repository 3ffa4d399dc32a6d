"""Find a notebook's answers: by nbgrader's metadata, by cell id, and by text where that is certain.

Colab, exporters and copying by hand lose metadata and ids, and students write into new cells. What
was not found where it should be is said, to the student and to the instructor.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from autograder.grading.released import ReleasedNotebook
from autograder.notebooks.cells import Answers
from course.check.names import bound_names


@dataclass(frozen=True)
class SubmittedCell:
    """A cell as it was handed in; what has the wrong type counts as None."""

    grade_id: str | None
    cell_id: str | None
    cell_type: str | None
    text: str


@dataclass
class Matched:
    """Answers by ``grade_id``; the names that cells define which are no answers; what a student
    and an instructor should know, in sentences; and the cells below each task, by its
    ``grade_id``."""

    answers: Answers = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    work: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def answered(self, stubs: Mapping[str, str]) -> int:
        """How many answers are something other than what the released notebook shows there."""
        return sum(not _same(text, stubs[name]) for name, text in self.answers.items())


def match_answers(cells: Sequence[SubmittedCell], notebook: ReleasedNotebook) -> Matched:
    """The answers among a submission's cells.

    Args:
        cells: the submission's, in their order.
        notebook: what the student was given.
    """
    matched = Matched()
    stubs = notebook.stubs
    claims: dict[str, list[str]] = defaultdict(list)
    unclaimed = []
    for position, cell in enumerate(cells):
        name = next((name for name in (cell.grade_id, cell.cell_id) if name in stubs), None)
        if name is None:
            unclaimed.append(position)
        else:
            claims[name].append(cell.text)
    for name, texts in claims.items():
        matched.answers[name] = _one_of(name, texts, stubs[name], matched.notes)
    _Search(cells, unclaimed, notebook).complete(matched)
    return matched


def _one_of(name: str, texts: list[str], stub: str, notes: list[str]) -> str:
    """Of several cells with one name the last that is not blank."""
    written = [text for text in texts if not _same(text, stub)]
    if len({text.strip() for text in written}) > 1:
        notes.append(
            f"There are {len(written)} different answers to {name}: the last of them was graded. "
            "Delete the cells that you do not want."
        )
    return written[-1] if written else texts[-1]


class _Search:
    """Looks among the cells that no metadata and no id claims for answers."""

    def __init__(
        self, cells: Sequence[SubmittedCell], unclaimed: list[int], notebook: ReleasedNotebook
    ) -> None:
        self.cells = cells
        self.notebook = notebook
        self.unclaimed = unclaimed
        self.texts = [_normal(cell.text) for cell in cells]
        names = functools.cache(bound_names)
        self.defined = {
            position: names(cells[position].text)
            for position in unclaimed
            if cells[position].cell_type == "code"
        }
        released_texts = {_normal(cell.text) for cell in notebook.cells}
        released_ids = {cell.cell_id for cell in notebook.cells}
        released_ids |= {cell.grade_id for cell in notebook.cells}
        released_ids.discard(None)
        # Cells of the student's making, or of the lesson's with every trace of that lost.
        self.new = [
            position
            for position in unclaimed
            if self.texts[position]
            and self.texts[position] not in released_texts
            and not {cells[position].cell_id, cells[position].grade_id} & released_ids
        ]

    def complete(self, matched: Matched) -> None:
        """Add the answers that are certain, and what other cells define."""
        for task in (cell.answer for cell in self.notebook.cells if cell.is_task):
            if task is not None and (work := self._below(task)):
                matched.work[task] = work
        for name, stub in self.notebook.stubs.items():
            if _same(matched.answers.get(name, stub), stub):
                self._find(name, stub, matched)
        own = {cell.cell_id: cell.text for cell in self.notebook.cells}
        for position in self.defined.keys() & set(self.unclaimed):
            given = own.get(self.cells[position].cell_id, "")
            if self.cells[position].text != given:
                # Students add to the lesson's own cells as well, an import mostly.
                matched.elsewhere |= self.defined[position] - bound_names(given)

    def _below(self, task: str) -> list[tuple[str, str]]:
        """The new cells that follow a task, up to the next of the lesson's own."""
        names = [{cell.grade_id, cell.cell_id} for cell in self.cells]
        start = next((at for at, known in enumerate(names) if task in known), len(names))
        work: list[tuple[str, str]] = []
        for at in range(start + 1, len(self.cells)):
            if not self.texts[at]:
                continue
            if at not in self.new:
                break
            work.append((self.cells[at].cell_type or "", self.cells[at].text))
        return work

    def _find(self, name: str, stub: str, matched: Matched) -> None:
        was_lost = name not in matched.answers
        found = self._defining(stub)
        if len(found) != 1 and was_lost:
            found = self._in_its_place(name)
        if len(found) == 1:
            (position,) = found
            matched.answers[name] = self.cells[position].text
            self.new.remove(position)
            self.unclaimed.remove(position)
            matched.notes.append(
                f"The cell for {name} was known by its text: it has lost nbgrader's metadata."
                if was_lost
                else f"The answer to {name} was found in another cell than its own, and graded."
            )
        elif was_lost and _normal(stub) not in self.texts:
            matched.notes.append(
                f"No answer to {name} was found: the cell is deleted, or has lost its metadata "
                "and no other cell is certainly it. Copy the answer into a fresh copy of the "
                "notebook."
            )

    def _defining(self, stub: str) -> list[int]:
        """The new cells that define all that the blank answer defines."""
        names = bound_names(stub)
        return [at for at in self.new if names and names <= self.defined.get(at, set())]

    def _in_its_place(self, name: str) -> list[int]:
        """The new cells between the two that were released beside an answer cell."""
        released = self.notebook.cells
        index = next(i for i, cell in enumerate(released) if cell.answer == name)
        before = self._position(released[index - 1].text) if index else -1
        is_last = index == len(released) - 1
        after = len(self.cells) if is_last else self._position(released[index + 1].text)
        if before is None or after is None:
            return []
        return [
            at
            for at in self.new
            if before < at < after and self.cells[at].cell_type == released[index].cell_type
        ]

    def _position(self, text: str) -> int | None:
        """Where a released cell is in the submission, if that is certain."""
        text = _normal(text)
        return self.texts.index(text) if text and self.texts.count(text) == 1 else None


def _normal(text: str) -> str:
    """A text without what editors change: space at the ends of lines, empty lines at the end."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def _same(one: str, other: str) -> bool:
    return _normal(one) == _normal(other)
