"""The demo sources at the upstream size: composed from sentences of the templates, streamed to files."""
