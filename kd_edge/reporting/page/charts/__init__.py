"""The charts of the pages: plain figures in, specifications of Vega-Lite out.

One kind of chart per file, all in one theme; `runtime` puts what draws them into a page.
"""
