"""The stage `near`: MinHash proposes near duplicates, the Jaccard index decides."""
