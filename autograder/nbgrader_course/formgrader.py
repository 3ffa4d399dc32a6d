"""A Content-Security-Policy for the pages of Formgrader.

Graded notebooks hold nothing active (``grading/harmless.py``). Should something get through, or
stand in a student's name, the browser still runs and fetches nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform

PAGES, SUBMISSIONS = "/formgrader/", "/formgrader/submissions/"
SCRIPT = re.compile(r"<script(?: type=\"text/javascript\")?>(.*?)</script>", re.DOTALL)
# What Formgrader's own buttons do when they are pressed.
PRESSED = "toggle_name(true);", "toggle_name(false);", "toggleAllNames()"
POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; script-src "
)


def protect() -> None:
    """Have the Jupyter server that reads the course's configuration send the policy with
    Formgrader's pages. Does nothing in any other process, or when it has been done."""
    if "jupyter_server.serverapp" not in sys.modules:
        return
    from jupyter_server.serverapp import ServerApp

    if ServerApp.initialized():
        transforms = ServerApp.instance().web_app.transforms
        if FormgraderPolicy not in transforms:
            # Before the one that compresses.
            transforms.insert(0, FormgraderPolicy)


class FormgraderPolicy(OutputTransform):
    """Allows the scripts of Formgrader's own templates, by their digests, and no others."""

    def __init__(self, request: HTTPServerRequest) -> None:
        self.path = request.path

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        if PAGES in self.path and headers.get("Content-Type", "").startswith("text/html"):
            page = chunk.decode("utf-8", "replace")
            if SUBMISSIONS in self.path:
                # Below its head a page shows a student's name and notebook.
                page = page.partition("</head>")[0]
            allowed = ["'self'", "'unsafe-eval'", "'unsafe-hashes'"]
            allowed += [_digest(text) for text in (*SCRIPT.findall(page), *PRESSED)]
            headers["Content-Security-Policy"] = POLICY + " ".join(dict.fromkeys(allowed))
        return status_code, headers, chunk


def _digest(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
