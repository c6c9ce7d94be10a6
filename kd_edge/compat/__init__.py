"""Private names of the libraries that kd_edge extends, one module per library; nothing else in kd_edge uses any.

In and out: objects of the library.
Imports nothing of kd_edge; a module that the analytic core uses imports its library inside functions.
"""
