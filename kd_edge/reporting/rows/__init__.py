"""Results as rows of text, the same for terminal, page and Markdown.

In: the plain data of a result. Out: `Rows`. Imports `sentences`.
"""
