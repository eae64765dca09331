"""What the product is: requests, jobs, pictures, the queue and the engine that draws."""

__version__ = "0.1.0"
