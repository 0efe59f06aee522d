"""Read by Python as it starts, in processes whose clock is faked: Kafka's client stays on the machine's clock.

librdkafka waits by the wall clock in glibc's own functions (`cnd_timedwait`), which libfaketime does not know: it would ask for a faked time
and wait for it by the true one, for days. Loaded like this it finds glibc before libfaketime; everything of Python's has the faked clock.
"""

import os
import sys

usual = sys.getdlopenflags()
sys.setdlopenflags(usual | os.RTLD_DEEPBIND)
import confluent_kafka  # noqa: E402, F401  loaded now, and not when a service asks for it

sys.setdlopenflags(usual)
