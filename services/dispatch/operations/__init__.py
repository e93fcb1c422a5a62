"""One coroutine per use case: open the transaction, ask the domain, save, emit."""
