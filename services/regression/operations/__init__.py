"""One coroutine per use case: open the transaction, ask the domain, save, emit.

`answers` what came back of renders; `captures` three renders become a baseline; `judging` a finished render gets its
verdict, and a run its end; `rendering` what is asked of the renderer.
"""
