"""Work outside transactions: rendering, looking after servers, cleaning up."""
