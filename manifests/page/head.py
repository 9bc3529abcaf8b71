"""The head of a self-contained page: what it may do (nothing but its own style) stands here alone."""

import base64
import hashlib

from manifests.page.markup import Markup, plain, tag


def page_head(title: str, style: str) -> Markup:
    """`title` is data and escaped; `style` is ours, and the only thing that the page's policy lets in, by its hash."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        Markup(f"<title>{plain(title)}</title>"),
        Markup(f"<style>{style}</style>"),
    )
