"""How alike two texts are: shingles, MinHash, sketches, the Jaccard index (FORMAT.md, sections 4 and 5)."""
