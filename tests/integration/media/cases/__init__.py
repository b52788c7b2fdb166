"""The transcode node by table: parameters, and what must be found in the output when it is measured.

`tables/` has the cases, `case.py` what a case is, `measured.py` looks at a file without believing what we say of it.
"""
