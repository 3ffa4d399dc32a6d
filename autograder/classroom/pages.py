"""What the pages about a class share: one file each, without a script, with pictures in it."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

TEMPLATES = Path(__file__).parent
BLUE = "#0072B2"


def render(template: str, **values: Any) -> str:
    """A page as one HTML document that needs no other file.

    Args:
        template: a file in this folder that extends ``page.html.j2``.
        values: what it shows; texts are escaped.
    """
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True)
    return environment.get_template(template).render(**values)


def embedded(figure: Figure) -> str:
    """A figure as a PNG in base64, for the ``src`` of an image."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()
