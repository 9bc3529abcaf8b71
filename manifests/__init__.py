"""The contract: what a manifest is, its id, its store; what it can tell. FORMAT.md is the specification.

What a manifest is       keys, canonical, tables, ledger, identity, origins
Reading one              reading/: identity_reader (every field) → consistency (what is said twice is said alike) →
                         stored_table (block by block) ← bounded, parquet_layout (a stranger's file) → tally (the
                         ledger against the tables); all together in manifest; dataset reads the text the same way
Keeping them             store (names, ids, where things lie), publish (staged, verified, renamed), disk (durable),
                         lock and garbage (what the killed left)
What two of them share   row_keys → overlap → audit; similarity/ for near duplicates; page/ draws it
What is wrong, and why   diagnosis/ (verify), diff/, explain and fate (one row), lineage (parents)
Handing them on          export/
On the command line      cli, commands/, command (what all three packages' commands have in common), describe, words
"""
