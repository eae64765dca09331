"""Where pictures are drawn: implementations of :class:`generation.backend.Backend`."""
