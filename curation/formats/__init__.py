"""The formats of source files, one module each (manifests/FORMAT.md, section 2).

Every format answers the same three questions: how a file begins (`head`), where it may be cut so that several processes
read it (`spans`), and which rows a span holds (`rows`). A cut may be a guess: whoever reads a span proves that it ends
where a row does, or raises SpanEndError, and the file is read on from the beginning of that span in one piece.
"""
