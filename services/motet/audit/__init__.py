"""The auditor: replays the topics and says what is wrong with them, record by record. It trusts no service and imports no decider.

Each file with a rule states one fact about the log and finds what breaks it. They fold over stored records, partition number by partition
number, and do no I/O; `reading.py` brings the records, `motet audit` shows the report.
"""
