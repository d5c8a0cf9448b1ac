"""What tests share: databases, processes, Redis, browsers, page checks."""
