"""An audit for people: lines for a terminal, and one self-contained HTML page.

words ── text        what the numbers mean, in sentences
markup, style        HTML from text, and how it looks
differences          two texts side by side
examples ── samples  which rows are shown, and what is known of them
tables, cases, trees, document    the page, from parts
write, chain         the edge: reads the store, writes the file
"""
