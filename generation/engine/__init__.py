"""How pictures are drawn; imported only in the worker process, because torch is."""
