"""All use cases of the service, built once from what they need."""

from dataclasses import dataclass
from typing import Self

from services.regression.operations.answers import Answers
from services.regression.operations.captures import Captures
from services.regression.operations.deadlines import Deadlines
from services.regression.operations.facts import Facts
from services.regression.operations.judging import Judging
from services.regression.operations.limits import Limits
from services.regression.operations.references import References
from services.regression.operations.rendering import Rendering
from services.regression.operations.report import Reports
from services.regression.operations.rollbacks import Rollbacks
from services.regression.operations.runs import Runs
from services.regression.store import Store
from shared.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    facts: Facts
    references: References
    runs: Runs
    rollbacks: Rollbacks
    answers: Answers
    deadlines: Deadlines
    reports: Reports

    @classmethod
    def build(cls, *, store: Store, limits: Limits, now: Clock) -> Self:
        rendering = Rendering(store=store, limits=limits, now=now)
        judging = Judging(store=store, limits=limits, now=now)
        captures = Captures(store=store, rendering=rendering, judging=judging)
        runs = Runs(store=store, rendering=rendering, judging=judging, captures=captures, now=now)
        rollbacks = Rollbacks(store=store, runs=runs, limits=limits, now=now)
        return cls(
            facts=Facts(store=store, runs=runs, rollbacks=rollbacks),
            references=References(store=store, rendering=rendering, captures=captures, judging=judging),
            runs=runs,
            rollbacks=rollbacks,
            answers=Answers(store=store, captures=captures, judging=judging, now=now),
            deadlines=Deadlines(store=store, captures=captures, judging=judging, rollbacks=rollbacks, now=now),
            reports=Reports(store),
        )
