"""Our engine against diffusers' own pipeline: pictures a second, latencies, memory, share of the roofline."""

import os

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # else it advises about what nothing here uses
