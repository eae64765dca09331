"""What the product is: requests, jobs, pictures, the queue and the engine that draws."""
