"""Personal values: sealed before they reach a topic, with a key for each person, so that whoever destroys the key has erased the values.

A tool's author marks them (`Personal`, `marks.py`); who submits a plan and who hosts the tool seal and open them (`sealing.py`) with keys that
are kept outside of the log (`motet.chassis.subject_keys`). Everybody else, the coordinator, the projections, the audit, carries the sealed
text, a string like any other: digests, keys and histories are made of it, and stay as they are when it can be opened no more.
"""

from motet.personal.marks import Personal

__all__ = ["Personal"]
