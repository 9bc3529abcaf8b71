"""Sources → rows → filters → sample → manifest. `build` reads top to bottom like that sentence.

    build        the flow; regenerate goes the way back, from a manifest to its dataset
    recipe*      what to take: recipe_reader and recipe_stages make it from TOML
    source_rows  a source's rows numbered through its files, cut into parts; files, globs, hub/ say which files
    workers      the processes that read parts side by side; worker is what runs in them
    scan         what is done to the rows of one part: formats/ → traces → language/, decontamination → keys
    selection    the stages on keys: duplicates, near/, across, disjoint, take; a pool holds the rows of one source:
                 candidates in memory and on a shelf, and rejects
    texts        the text of the rows taken, put aside (spill) and brought into the manifest's order

Each knows those below it in the list, or beside it, and none above.
"""
