"""The page of a run: one self-contained HTML file.

gather                      the edge: what there is to tell of a run, read from its folder alone
words                       numbers as people read them
scales ── charts            curves as SVG with axes
mix, samples, provenance    the parts of the page
document, style             the page, from its parts
write                       the edge: its file
"""
