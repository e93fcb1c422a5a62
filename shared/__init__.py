"""What at least two services need: event contracts and plumbing. Knows no service."""
