"""Pure rules of the edge: who owns a path, what a byte range means, how a report reads, what a browser may do."""
