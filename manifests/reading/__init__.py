"""Reading a manifest as if a stranger had written it: what is refused, and within which limits."""
