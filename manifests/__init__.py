"""The contract: what a manifest is, its id, its store; verify, show, audit. FORMAT.md is the specification."""
