"""Keeps what must outlive the process: jobs, pictures, and the answers that are owed."""
