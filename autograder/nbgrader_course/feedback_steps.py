"""A student's feedback as a page: what may be shown of a graded notebook, and how fast."""

from __future__ import annotations

import html
import re
from typing import Any

from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket
from nbconvert.exporters import HTMLExporter, TemplateExporter
from nbconvert.exporters.exporter import ResourcesDict
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter
from nbconvert.preprocessors.sanitize import SanitizeHTML
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output
from nbgrader import utils
from nbgrader.preprocessors import ClearHiddenTests, NbGraderPreprocessor
from traitlets import Bool

from autograder.grading.status import Status
from course.cells import is_answer

PICTURES = {"image/png", "image/jpeg"}
LINK = re.compile(r'\bhref="([^"]*)"')
FOREIGN = re.compile(r"(?!https?:|mailto:)[a-z][a-z0-9+.-]*:", re.IGNORECASE)
NO_ALT = "A picture that an answer has drawn."


class _Compiled(BytecodeCache):
    """Templates that this process has compiled."""

    def __init__(self) -> None:
        self.codes: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.codes:
            bucket.bytecode_from_string(self.codes[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.codes[bucket.key] = bucket.bytecode_to_string()


_compiled = _Compiled()


class FeedbackExporter(HTMLExporter):
    """nbconvert's HTML page in a third of its time.

    nbconvert compiles its templates for each page, and then parses the page that it has written to
    give every image an alt text. Here templates are compiled once, and ``FeedbackView`` puts the
    alt text into the notebook.
    """

    def _create_environment(self) -> Environment:
        environment = super()._create_environment()
        environment.bytecode_cache = _compiled
        return environment

    # A page is text, while the base of all exporters promises a notebook.
    def from_notebook_node(  # type: ignore[override]
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **options: Any
    ) -> tuple[str, dict[str, Any]]:
        lexer = nb.metadata.get("language_info", {}).get("pygments_lexer", "ipython3")
        resources = self._init_resources(resources)
        self.register_filter("highlight_code", Highlight2HTML(pygments_lexer=lexer, parent=self))
        self.register_filter(
            "filter_data_type",
            WidgetsDataTypeFilter(
                notebook_metadata=self._nb_metadata, parent=self, resources=resources
            ),
        )
        page, resources = TemplateExporter.from_notebook_node(self, nb, resources, **options)
        return LINK.sub(_harmless, page), resources


def _harmless(link: re.Match[str]) -> str:
    """A link as it was, unless it runs something: Markdown lets `javascript:` pass."""
    target = re.sub(r"[\x00-\x20]", "", html.unescape(link[1]))
    return 'href="#"' if FOREIGN.match(target) else link[0]


def _plain(text: str) -> str:
    """A text for Markdown, in which nothing of it is a link, an image or HTML."""
    return re.sub(r"([\\`*_\[\]()<>!#|~$])", r"\\\1", html.escape(text, quote=False))


class FeedbackView(NbGraderPreprocessor):
    """What a student may see of a graded notebook: a test's visible part, its points and its
    message, and no traceback that would quote a hidden test."""

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        nb, resources = ClearHiddenTests(parent=self).preprocess(nb, resources)
        graded = nb.metadata.get("course", {})
        if graded.get("status", Status.GRADED) != Status.GRADED:
            # It may quote a file's name or a broken notebook, and is Markdown, which takes HTML.
            note = f"**{graded['status'].capitalize()}.** {_plain(graded['message'])}"
            nb.cells.insert(0, new_markdown_cell(note))
        for remark in reversed(graded.get("notes", [])):
            nb.cells.insert(0, new_markdown_cell(f"**Note.** {_plain(remark)}"))
        return super().preprocess(nb, resources)

    def preprocess_cell(
        self, cell: NotebookNode, resources: ResourcesDict, cell_index: int
    ) -> tuple[NotebookNode, ResourcesDict]:
        if utils.is_grade(cell) and cell.cell_type == "code" and "course" in cell.metadata:
            score, points = cell.metadata["course"]["score"], cell.metadata["nbgrader"]["points"]
            message = cell.metadata["course"]["message"]
            given = "Not graded yet." if score is None else f"{score:g} of {points:g} points."
            cell.outputs = [new_output("stream", text=f"{given} {message}".strip())]
        elif utils.is_solution(cell) and "misconception" in cell.get("metadata", {}).get(
            "course", {}
        ):
            mistake = cell.metadata["course"]["misconception"]
            cell.outputs.append(new_output("stream", text=f"A known mistake: {mistake}"))
        for output in cell.get("outputs", ()):
            for kind in PICTURES & output.get("data", {}).keys():
                output.metadata.setdefault(kind, {}).setdefault("alt", NO_ALT)
        return cell, resources


class SanitizeOutputs(SanitizeHTML):
    """Take scripts and other active content out of what answers displayed."""

    enabled = Bool(True, help="nbconvert's own steps are off until they are asked for.").tag(
        config=True
    )

    def preprocess_cell(
        self, cell: NotebookNode, resources: ResourcesDict, cell_index: int
    ) -> tuple[NotebookNode, ResourcesDict]:
        if cell.cell_type == "code" or is_answer(cell):
            return super().preprocess_cell(cell, resources, cell_index)
        return cell, resources
