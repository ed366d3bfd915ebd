"""Properties that hold for every model, and comparison with the dense oracle."""
