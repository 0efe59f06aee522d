"""An archive: what stood in the log, in files that nobody changes any more, and read in place of Kafka.

    DIR/manifest.json                             what there is: segments with their offsets, counts and SHA-256, and the schemas by id
    DIR/TOPIC/PARTITION/FIRST-NEXT.avro           records of one partition from an offset on, up to one that is not in it

Records are as they were, headers included, so lanes, digests and signed checkpoints hold for files as they do for Kafka. The same records
give the same bytes: a run that was killed and is run again ends as if nothing had happened.
"""

from motet.archive.manifest import Manifest, Segment
from motet.archive.opening import opened, schemas_of
from motet.archive.stored import Archive, Joined
from motet.archive.verifying import Fault, verify
from motet.archive.writing import write

__all__ = ["Archive", "Fault", "Joined", "Manifest", "Segment", "opened", "schemas_of", "verify", "write"]
