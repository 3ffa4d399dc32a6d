"""Small pictures of lessons: the figure of the cell that is tagged ``thumbnail``."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from nbformat import NotebookNode
from PIL import Image

from autograder.notebooks.cells import THUMBNAIL, read_notebook
from autograder.notebooks.source import Lesson
from course.cells import tags

# Pixels; a page shows it at this width.
WIDTH = 360
COLOURS = 64


@dataclass(frozen=True)
class Thumbnail:
    """A small PNG image, and its alternative text."""

    png: bytes
    alt: str


def thumbnail(lesson: Lesson) -> Thumbnail | None:
    """A lesson's picture; None where no cell is tagged, or it has not been built."""
    notebook = read_notebook(lesson.instructor_notebook)
    for cell in notebook.cells if notebook else ():
        if THUMBNAIL in tags(cell):
            for output in cell.get("outputs", ()):
                if "image/png" in output.get("data", {}):
                    return _small(output)
    return None


def _small(output: NotebookNode) -> Thumbnail:
    png = base64.b64decode(output.data["image/png"])
    image = Image.open(io.BytesIO(png)).convert("RGB")
    height = round(image.height * WIDTH / image.width)
    image = image.resize((WIDTH, height), Image.Resampling.LANCZOS)
    image = image.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=True)
    return Thumbnail(buffer.getvalue(), output.metadata.get("image/png", {}).get("alt", ""))
