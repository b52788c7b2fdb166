"""The wire contract of Tencent Cloud MPS, version 2019-06-12: shapes, presets, names and how a run looks in them.

MPS words (Schedule, Activity, Definition) live here and at the MPS face of the API, nowhere else.
"""
