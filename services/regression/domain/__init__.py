"""What is a change for the worse: pure rules, no clock, no I/O.

`rules` which way of a metric is better and how far it must move; `noise` how far a metric moves by itself; `baseline`
three identical renders made into one; `environment` whether two renders may be compared at all; `comparison` one metric
of one segment; `judgement` the verdict on the whole; `lifecycle` what may happen to references and runs, and how a run
ends; `locks` which version of what was rendered.
"""
