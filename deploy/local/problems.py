"""What can be wrong with the machine, said in one line together with the mend."""


class SetupProblem(Exception):
    """Something outside the program must change before it can go on; `str()` is the line a person reads."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"{what}. {mend}")
        self.what = what
        self.mend = mend
