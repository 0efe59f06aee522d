"""The checkpoint service: what the log had, signed, so that whoever changes it later is found out.

Consumes `motet.repairs`; produces `motet.checkpoints` and `motet.dead-letters`. It reads every other topic as it is, in no group. `making` reads
what is new and signs the next checkpoint, `signing` does that as the leader of a job, `directory` keeps checkpoints in a place of somebody's
choice, `verifying` reads the log again beside them, `proving` shows of a record, or of two checkpoints, what others can check without the log.
"""

from motet.checkpoints.handler import service

__all__ = ["service"]
