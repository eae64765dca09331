"""Our engine against diffusers' own pipeline: pictures a second, latencies, memory, share of the roofline."""
